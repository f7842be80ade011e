import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/el-dialog.css'
import 'element-plus/theme-chalk/el-overlay.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles/base.css'
import './styles/parts.css'

import { createApp } from 'vue'

import App from './App.vue'
import { router } from './router.ts'
import { takeLink } from './session.ts'

// Before the router looks at the address: the secret of a link must not stay in it.
const link = takeLink()
createApp(App, { link }).use(router).mount('#app')
