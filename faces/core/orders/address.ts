/** An address as somebody types it, and what is wrong with it, field by field. No I/O. */

import type { Schemas } from '../api.ts'

export type AddressForm = Required<Schemas['AddressForm']>
export type AddressField = keyof AddressForm
/** `missing`: it is empty. `form`: it cannot be one. */
export type FieldFault = 'missing' | 'form'
export type Faults = Readonly<Partial<Record<AddressField, FieldFault>>>

export const EMPTY: AddressForm = {
  name: '',
  phone: '',
  province: '',
  city: '',
  district: '',
  detail: '',
  postcode: '',
}

const BY_ENDING: Readonly<Record<string, string>> = {
  市: '北京 天津 上海 重庆',
  省:
    '河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 ' +
    '陕西 甘肃 青海 台湾',
  特别行政区: '香港 澳门',
}
const REGIONS = ['内蒙古自治区', '广西壮族自治区', '西藏自治区', '宁夏回族自治区', '新疆维吾尔自治区']
const DIRECT = (BY_ENDING['市'] ?? '').split(' ').map((name) => `${name}市`)

/** All 34, municipalities first. */
export const PROVINCES: readonly string[] = [
  ...Object.entries(BY_ENDING).flatMap(([ending, names]) =>
    names.split(' ').map((name) => name + ending),
  ),
  ...REGIONS,
]

const PHONE = /^((\+?86)?1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8})$/
const MOBILE = /(?:\+?86[- ]?)?(1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4})(?![0-9])/
const LANDLINE = /0[0-9]{2,3}-?[0-9]{7,8}/

/** A municipality is its own city. */
export function isDirect(province: string): boolean {
  return DIRECT.includes(province)
}

/** Every field without what nobody means to type. */
export function tidied(form: AddressForm): AddressForm {
  const trimmed = (text: string): string => text.trim().replace(/\s+/g, ' ')
  return {
    name: trimmed(form.name),
    phone: form.phone.replace(/[\s()（）]/g, '').replace(/^(\+?86)-/, '$1').replace(/^(1\d{2})-(\d{4})-(\d{4})$/, '$1$2$3'),
    province: trimmed(form.province),
    city: isDirect(form.province) ? form.province : trimmed(form.city),
    district: trimmed(form.district),
    detail: trimmed(form.detail),
    postcode: form.postcode.trim(),
  }
}

/** What is wrong with a tidied form. The service checks cities and districts, too. */
export function faultsOf(form: AddressForm): Faults {
  const faults: Partial<Record<AddressField, FieldFault>> = {}
  for (const field of ['name', 'phone', 'province', 'city', 'detail'] as const) {
    if (form[field] === '') faults[field] = 'missing'
  }
  if (form.name.length > 25) faults.name = 'form'
  if (form.phone !== '' && !PHONE.test(form.phone)) faults.phone = 'form'
  if (form.province !== '' && !PROVINCES.includes(form.province)) faults.province = 'form'
  if (form.city.length > 30) faults.city = 'form'
  if (form.district.length > 30) faults.district = 'form'
  if (form.detail.length === 1 || form.detail.length > 120) faults.detail = 'form'
  if (!/^([0-9]{6})?$/.test(form.postcode)) faults.postcode = 'form'
  return faults
}

/** The field of a refusal, such as `address.city`. */
export function fieldOf(name: string | null | undefined): AddressField | null {
  const last = (name ?? '').split('.').pop() ?? ''
  return last in EMPTY ? (last as AddressField) : null
}

/**
 * Reads an address that somebody has copied in one piece: `王小明 13800138000 广东省深圳市南山区
 * 科技园路1号`. Fields that it does not find stay empty; nothing is invented.
 */
export function readPasted(text: string): AddressForm {
  let rest = text.replace(/(收货人|收件人|姓名|手机号码?|电话|所在地区|详细地址|地址)[:：]?/g, ' ').trim()
  const phone = MOBILE.exec(rest) ?? LANDLINE.exec(rest)
  if (phone !== null) rest = rest.replace(phone[0], ' ')
  const province = PROVINCES.map((name) => ({ name, at: placeOf(rest, name) }))
    .filter(({ at }) => at.from >= 0)
    .sort((a, b) => a.at.from - b.at.from)[0]
  const parts = { city: '', district: '', detail: '' }
  let name = rest
  if (province !== undefined) {
    name = rest.slice(0, province.at.from)
    let after = rest.slice(province.at.to).trim()
    if (isDirect(province.name)) {
      parts.city = province.name
      after = after.replace(new RegExp(`^(${province.name}|市辖区)\\s*`), '')
    } else {
      ;[parts.city, after] = cut(after, /^[^\s，,市区县]{1,12}?(?:市|自治州|州|盟|地区)/)
    }
    ;[parts.district, after] = cut(after, /^[^\s，,]{1,12}?(?:新区|区|县|旗|市)/)
    const words = after.split(/[\s，,]+/).filter((word) => word !== '')
    // The name may stand at the end: a short word after the street.
    if (name.trim() === '' && words.length > 1 && isName(words[words.length - 1] ?? '')) {
      name = words.pop() ?? ''
    }
    parts.detail = words.join(' ')
  }
  const found = name.split(/[\s，,]+/).find(isName) ?? ''
  return {
    ...EMPTY,
    ...parts,
    name: found,
    phone: (phone?.[1] ?? phone?.[0] ?? '').replace(/[ -]/g, (sign) => (phone?.[1] ? '' : sign)),
    province: province?.name ?? '',
  }
}

/** Where a province stands, with or without its ending. */
function placeOf(text: string, name: string): { from: number; to: number } {
  const whole = text.indexOf(name)
  if (whole >= 0) return { from: whole, to: whole + name.length }
  const short = name.replace(/(省|市|特别行政区|壮族自治区|回族自治区|维吾尔自治区|自治区)$/, '')
  const at = text.indexOf(short)
  return { from: at, to: at + short.length }
}

function cut(text: string, pattern: RegExp): [string, string] {
  const found = pattern.exec(text)?.[0] ?? ''
  return [found, text.slice(found.length).trim()]
}

function isName(word: string): boolean {
  return word.length > 0 && word.length <= 12 && !/[0-9]/.test(word)
}
