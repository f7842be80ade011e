import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/el-dialog.css'
import 'element-plus/theme-chalk/el-overlay.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles/base.css'
import './styles/parts.css'

import { link } from './link.ts'

import { createApp } from 'vue'

import App from './App.vue'
import { router } from './router.ts'

createApp(App, { link }).use(router).mount('#app')
