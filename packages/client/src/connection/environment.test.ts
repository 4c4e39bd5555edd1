// What happens around a page, as its events tell it. The real browser's are in the e2e tests; iOS and slept machines are nowhere to be had but here.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEnvironment } from './environment'

class FakePage extends EventTarget {
  visibilityState: 'visible' | 'hidden' = 'visible'

  turn(state: 'visible' | 'hidden'): void {
    this.visibilityState = state
    this.dispatchEvent(new Event('visibilitychange'))
  }
}

const ipad = { userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari', maxTouchPoints: 5 }
const iphone = { userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari', maxTouchPoints: 5 }
const mac = { userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari', maxTouchPoints: 0 }
const android = { userAgent: 'Mozilla/5.0 (Linux; Android 16) Chrome', maxTouchPoints: 5 }

let page: FakePage
let told: string[]
let stop: () => void

function watch(navigator: object): void {
  const top = new EventTarget()
  vi.stubGlobal('document', page)
  vi.stubGlobal('navigator', navigator)
  vi.stubGlobal('addEventListener', top.addEventListener.bind(top))
  vi.stubGlobal('removeEventListener', top.removeEventListener.bind(top))
  vi.stubGlobal('dispatchEvent', top.dispatchEvent.bind(top))
  stop = createEnvironment({}).watch({
    wake: (trust) => told.push(`wake ${trust}`),
    suspend: () => told.push('suspend'),
    hidden: (hidden) => told.push(hidden ? 'hidden' : 'seen'),
  })
}

beforeEach(() => {
  page = new FakePage()
  told = []
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  stop()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('back in the foreground', () => {
  it.each([
    ['a Mac', mac, 9999, 'look'],
    ['a Mac', mac, 10_000, 'doubt'],
    ['an Android phone', android, 10_000, 'doubt'],
    ['an iPhone', iphone, 9999, 'look'],
    ['an iPhone', iphone, 10_000, 'none'],
    ['an iPad, which says that it is a Mac', ipad, 10_000, 'none'],
  ])('of %s (%j) after %i ms: a link deserves %s', (_name, navigator, away, trust) => {
    watch(navigator)
    page.turn('hidden')
    vi.setSystemTime(Date.now() + away)
    page.turn('visible')
    expect(told).toEqual(['hidden', 'seen', `wake ${trust}`])
  })
})

it('says at once when it begins in the background, and says nothing when it was never there', () => {
  page.visibilityState = 'hidden'
  watch(mac)
  expect(told).toEqual(['hidden'])
  stop()
  told = []
  page.visibilityState = 'visible'
  watch(mac)
  page.turn('visible')
  expect(told).toEqual([])
})

it('tells the network’s and the page’s own events, until it is stopped', () => {
  const connection = new EventTarget()
  watch({ ...mac, connection })
  for (const name of ['online', 'pageshow', 'pagehide']) globalThis.dispatchEvent(new Event(name))
  connection.dispatchEvent(new Event('change'))
  page.dispatchEvent(new Event('resume'))
  expect(told).toEqual(['wake doubt', 'wake look', 'suspend', 'wake doubt', 'wake doubt'])
  stop()
  globalThis.dispatchEvent(new Event('online'))
  connection.dispatchEvent(new Event('change'))
  page.turn('hidden')
  expect(told).toHaveLength(5)
})

describe('memory', () => {
  it('is the browser’s, and the process’s own where there is none or it refuses', () => {
    watch(mac)
    const { memory } = createEnvironment({})
    const kept = new Map<string, string>()
    vi.stubGlobal('localStorage', {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, text: string) => void kept.set(key, text),
    })
    memory.write('a', '1')
    expect([kept.get('a'), memory.read('a')]).toEqual(['1', '1'])
    const refuse = () => {
      throw new DOMException('The quota is used up.', 'QuotaExceededError')
    }
    vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse })
    memory.write('a', '2')
    expect(memory.read('a')).toBe('2')
  })

  it('touches no storage outside of pages: that of Node warns, that of Deno is a file', () => {
    stop = () => {}
    const touched = vi.fn()
    vi.stubGlobal('localStorage', { getItem: touched, setItem: touched })
    const { memory } = createEnvironment({})
    memory.write('b', '1')
    expect(memory.read('b')).toBe('1')
    expect(touched).not.toHaveBeenCalled()
  })
})
