// Pages of another origin in a real browser, with every means that a page has: they hear nothing and publish nothing, while the page that is allowed does both.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { noBrowser } from '../browser/stage'
import { ask, type Events, openWebSocket } from '../plain-client'
import { ServerProcess } from '../server-process'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
let browser: Browser
let pages: Server
let server: ServerProcess
let heard: Events
/** In place of the endpoint in what a page does. */
let endpoint = ''
const undo: (() => unknown)[] = []
const open: Record<string, Page> = {}

/** One server under several names: each with its port is an origin of its own. */
const ORIGINS = { allowed: '127.0.0.1', foreign: 'localhost', 'another site': 'evil.localhost' } as const

beforeAll(async () => {
  if (noBrowser) return
  pages = createServer((_, response) => void response.setHeader('content-type', 'text/html').end('<!doctype html>'))
  await new Promise<void>((resolve) => pages.listen(0, resolve))
  const { port } = pages.address() as AddressInfo
  const origins = [`http://${ORIGINS.allowed}:${port}`]
  server = await ServerProcess.start({ options: { origins } })
  endpoint = `${server.origin}/rt`
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  for (const [name, host] of Object.entries(ORIGINS)) {
    open[name] = await browser.newPage()
    await open[name].goto(`http://${host}:${port}/`)
  }
  const { ws, events } = await openWebSocket(`${endpoint}?channels=any:1`)
  await events.next('subscribed')
  heard = events
  undo.push(() => ws.terminate())
})

afterAll(async () => {
  for (const run of undo) run()
  await browser?.close()
  pages?.close()
  await server?.kill()
})

interface Means {
  readonly name: string
  /** Runs in the page, and says what it got to see: a text, or `nothing`. */
  readonly run: (endpoint: string) => Promise<string>
}

const listening: readonly Means[] = [
  {
    name: 'a WebSocket',
    run: (endpoint) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${endpoint.replace('http', 'ws')}?channels=any:1`, 'rt.v1')
        socket.onmessage = ({ data }) => resolve(data as string)
        socket.onclose = () => resolve('nothing')
      }),
  },
  {
    name: 'an EventSource',
    run: (endpoint) =>
      new Promise((resolve) => {
        const source = new EventSource(`${endpoint}?channels=any:1`, { withCredentials: true })
        source.onmessage = ({ data }) => {
          source.close()
          resolve(data as string)
        }
        source.onerror = () => {
          source.close()
          resolve('nothing')
        }
      }),
  },
  ...(['', '&wait=1'] as const).map((wait) => ({
    name: wait === '' ? 'a poll by fetch' : 'a long poll by fetch',
    run: (url: string) =>
      fetch(url, { credentials: 'include' }).then(
        (response) => response.text(),
        () => 'nothing',
      ),
    query: `?channels=any:1${wait}`,
  })),
  {
    name: 'an event stream by fetch',
    run: async (endpoint) => {
      try {
        const headers = { accept: 'text/event-stream' }
        const { body } = await fetch(`${endpoint}?channels=any:1`, { headers, credentials: 'include' })
        const { value } = (await body?.getReader().read()) ?? {}
        return new TextDecoder().decode(value)
      } catch {
        return 'nothing'
      }
    },
  },
  {
    name: 'history by POST',
    run: (endpoint) =>
      fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        credentials: 'include',
        body: '[{"type":"history","ref":1,"channel":"any:1","last":5}]',
      }).then(
        (response) => response.text(),
        () => 'nothing',
      ),
  },
]

/** These publish `1` on any:1 when they come through. */
const publishing: readonly Means[] = [
  {
    name: 'a WebSocket',
    run: (endpoint) =>
      new Promise((resolve) => {
        const socket = new WebSocket(endpoint.replace('http', 'ws'), 'rt.v1')
        socket.onopen = () => socket.send('[{"type":"publish","ref":1,"channel":"any:1","data":1}]')
        socket.onmessage = ({ data }) => {
          if ((data as string).includes('"result"')) resolve(data as string)
        }
        socket.onclose = () => resolve('nothing')
      }),
  },
  {
    name: 'a POST of JSON by fetch',
    run: (endpoint) =>
      fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        credentials: 'include',
        body: '[{"type":"publish","ref":1,"channel":"any:1","data":1}]',
      }).then(
        (response) => response.text(),
        () => 'nothing',
      ),
  },
]

/** What needs nobody's permission to be sent; the page never sees the answer. No page may publish so, allowed or not. */
const blind: readonly Means[] = [
  {
    name: 'a POST without CORS by fetch',
    run: async (endpoint) => {
      const body = '[{"type":"publish","ref":1,"channel":"any:1","data":1}]'
      const { type } = await fetch(endpoint, { method: 'POST', mode: 'no-cors', credentials: 'include', body })
      return type === 'opaque' ? 'nothing' : type
    },
  },
  {
    name: 'a GET without CORS by fetch',
    run: async (endpoint) => {
      const { type } = await fetch(`${endpoint}?channels=any:1`, { mode: 'no-cors', credentials: 'include' })
      return type === 'opaque' ? 'nothing' : type
    },
  },
  {
    name: 'a beacon of JSON as text',
    run: async (endpoint) => {
      navigator.sendBeacon(endpoint, '[{"type":"publish","ref":1,"channel":"any:1","data":1}]')
      return 'nothing'
    },
  },
  {
    name: 'a form of plain text that reads as JSON',
    run: (endpoint) =>
      new Promise((resolve) => {
        const frame = document.createElement('iframe')
        frame.name = `answer${document.forms.length}`
        const form = document.createElement('form')
        Object.assign(form, { action: endpoint, method: 'post', enctype: 'text/plain', target: frame.name })
        const input = document.createElement('input')
        input.name = '[{"type":"publish","ref":1,"channel":"any:1","data":1,"x":"'
        input.value = '"}]'
        form.append(input)
        document.body.append(frame, form)
        form.submit()
        frame.onload = () => resolve(frame.contentDocument === null ? 'nothing' : 'a document')
      }),
  },
  ...(['img', 'script'] as const).map((tag) => ({
    name: `the source of an ${tag}`,
    run: (url: string) =>
      new Promise<string>((resolve) => {
        const element = document.createElement(url.endsWith('img') ? 'img' : 'script')
        element.onload = () => resolve('it was loaded')
        element.onerror = () => resolve('nothing')
        element.src = url
        document.body.append(element)
      }),
    query: `?channels=any:1&as=${tag}`,
  })),
]

const run = (page: string, { run, ...means }: Means & { readonly query?: string }) =>
  (open[page] as Page).evaluate(run, `${endpoint}${means.query ?? ''}`)

/** How many publications were heard so far: behind one of ours, which comes last. */
async function published(): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const body = '[{"type":"publish","ref":1,"channel":"any:1","data":"mine"}]'
  await ask(endpoint, { method: 'POST', headers, body })
  await heard.next('message', ({ data }) => data === 'mine')
  return heard.all.filter((event) => event.type === 'message' && event.data === 1).length
}

describe.skipIf(noBrowser)('a page of a foreign origin', () => {
  describe.each(['foreign', 'another site'])('%s', (page) => {
    it.each([...listening, ...blind])('hears nothing by $name', async (means) => {
      expect(await run(page, means)).toBe('nothing')
    })

    it.each([...publishing, ...blind])('publishes nothing by $name', async (means) => {
      const before = await published()
      expect(await run(page, means)).toBe('nothing')
      expect(await published()).toBe(before)
    })
  })
})

describe.skipIf(noBrowser)('a page of the origin that is allowed', () => {
  it.each(listening)('hears by $name', async (means) => {
    expect(await run('allowed', means)).toMatch(/"type":"(hello|subscribed|result)"/)
  })

  it.each(publishing)('publishes by $name', async (means) => {
    const before = await published()
    expect(await run('allowed', means)).toContain('"value":{"id"')
    expect(await published()).toBe(before + 1)
  })

  it.each(blind)('does not publish by $name either', async (means) => {
    const before = await published()
    await run('allowed', means)
    expect(await published()).toBe(before)
  })
})
