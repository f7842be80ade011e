/** The screens. Each names the action that its first call needs: without it, it is not shown. */

import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'

import Cockpit from './screens/Cockpit.vue'
import type { Action } from './session.ts'
import type { Key } from './texts/texts.ts'

export interface Screen {
  readonly path: string
  readonly name: string
  readonly label: Key
  readonly action: Action
  /** The second key after `g`. */
  readonly key: string
}

export const SCREENS: readonly Screen[] = [
  { path: '/', name: 'cockpit', label: 'nav.cockpit', action: 'cockpit.read', key: 'c' },
  { path: '/prepare', name: 'prepare', label: 'nav.prepare', action: 'drop.read', key: 'n' },
  { path: '/host', name: 'host', label: 'nav.host', action: 'room.read', key: 'h' },
  { path: '/orders', name: 'orders', label: 'nav.orders', action: 'order.read', key: 'o' },
  { path: '/cases', name: 'cases', label: 'nav.cases', action: 'order.read', key: 'a' },
  { path: '/refunds', name: 'refunds', label: 'nav.refunds', action: 'refund.read', key: 'r' },
  { path: '/books', name: 'books', label: 'nav.books', action: 'check.read', key: 'b' },
  { path: '/results', name: 'results', label: 'nav.results', action: 'order.read', key: 's' },
  { path: '/log', name: 'log', label: 'nav.log', action: 'log.read', key: 'l' },
  { path: '/people', name: 'people', label: 'nav.people', action: 'operator.read', key: 'p' },
]

const VIEWS: Record<string, RouteRecordRaw['component']> = {
  cockpit: Cockpit,
  host: () => import('./screens/Host.vue'),
  prepare: () => import('./screens/Prepare.vue'),
  orders: () => import('./screens/Orders.vue'),
  cases: () => import('./screens/Cases.vue'),
  refunds: () => import('./screens/Refunds.vue'),
  books: () => import('./screens/Books.vue'),
  results: () => import('./screens/ResultList.vue'),
  log: () => import('./screens/Log.vue'),
  people: () => import('./screens/People.vue'),
}

declare module 'vue-router' {
  interface RouteMeta {
    /** Without it, the screen is not shown. */
    readonly action?: Action
  }
}

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    ...SCREENS.map((screen) => ({ path: screen.path, name: screen.name, component: VIEWS[screen.name]!, meta: { action: screen.action } })),
    { path: '/drops/:id', name: 'drop', component: () => import('./screens/Drop.vue'), props: true, meta: { action: 'drop.read' } },
    { path: '/host/:id', name: 'host-room', component: () => import('./screens/HostRoom.vue'), props: true, meta: { action: 'room.read' } },
    { path: '/orders/:id', name: 'order', component: () => import('./screens/Order.vue'), props: true, meta: { action: 'order.read' } },
    { path: '/prepare/new', name: 'new-sale', component: () => import('./screens/NewSale.vue'), meta: { action: 'campaign.change' } },
    { path: '/prepare/:id', name: 'sale', component: () => import('./screens/Sale.vue'), props: true, meta: { action: 'drop.read' } },
    { path: '/results/:kind(campaign|room)/:id', name: 'result', component: () => import('./screens/Results.vue'), props: true, meta: { action: 'order.read' } },
    { path: '/stock/:id', name: 'stock', component: () => import('./screens/Stock.vue'), props: true, meta: { action: 'goods.read' } },
    { path: '/account', name: 'account', component: () => import('./screens/Account.vue') },
    { path: '/:rest(.*)', redirect: '/' },
  ],
})
