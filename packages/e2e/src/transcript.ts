/** Reads the transcripts in docs/protocol.md and does again what they did, against a running server; used by the test of that page. */

import { once } from 'node:events'
import { request, STATUS_CODES } from 'node:http'
import type { ServerEvent } from '@rt/protocol'
import { WebSocket } from 'ws'
import { ask } from './plain-client'

export interface Transcript {
  readonly name: string
  readonly lines: readonly string[]
}

/** The blocks of a page that are fenced as `transcript`. */
export function readTranscripts(page: string): Transcript[] {
  return [...page.matchAll(/^```transcript ([\w-]+)\n([\s\S]*?)\n```$/gm)].map(([, name = '', body = '']) => ({
    name,
    lines: body.split('\n'),
  }))
}

export interface Replay {
  /** What the page says, and what came now, in one form: per line that was typed, without what differs from run to run. */
  readonly recorded: unknown[]
  readonly actual: unknown[]
  /** The transcript as it reads now. */
  readonly printed: string[]
}

/** Something that goes on printing. */
interface Terminal {
  readonly lines: string[]
  readonly close: () => void
  readonly send?: (text: string) => void
  readonly changed: () => Promise<unknown>
}

interface Typed {
  readonly input: string
  /** What the page says came behind it. */
  readonly output: string[]
}

const CURSOR = /1\.1\.0_\w+-\w+_\w+-\w+/g
/** While recording: how long nothing must come until a line counts as answered, in milliseconds. */
const QUIET = 500

export async function replay(lines: readonly string[], port: number, recording: boolean): Promise<Replay> {
  const steps: Typed[] = []
  for (const line of lines) {
    if (/^([$>] |\^C$)/.test(line)) steps.push({ input: line, output: [] })
    else steps.at(-1)?.output.push(line)
  }
  const result: Replay = { recorded: [], actual: [], printed: [] }
  let terminal: Terminal | null = null
  let waiting: Promise<string[]> | null = null
  let cursor = ''

  for (const { input, output } of steps) {
    const typed = input.replace(/CURSOR/g, cursor).replace(CURSOR, cursor)
    const command = typed.replaceAll('localhost:3000', `127.0.0.1:${port}`)
    let came: string[] = []
    if (command.startsWith('> ')) terminal?.send?.(command.slice(2))
    else if (command === '^C') {
      terminal?.close()
      terminal = null
    } else if (command.startsWith('$ connect')) {
      terminal = await connect(words(command)[2] as string)
    } else if (command.startsWith('$ curl -N')) {
      terminal = await stream(command)
    } else if (command.endsWith(' &')) waiting = curl(command)
    else {
      came = await curl(command)
      if (command.endsWith('> /dev/null')) came = []
      if (waiting !== null) came = await waiting
      waiting = null
    }
    if (terminal !== null) {
      const wanted = told(output)
      await until(terminal, wanted.events.length, wanted.cursor, recording)
      came = terminal.lines.splice(0)
    }
    cursor = [...came.join('\n').matchAll(CURSOR)].at(-1)?.[0] ?? cursor
    result.printed.push(typed, ...came)
    result.recorded.push(normal(output))
    result.actual.push(normal(came))
  }
  terminal?.close()
  return result
}

async function until(terminal: Terminal, events: number, cursor: boolean, recording: boolean): Promise<void> {
  if (recording) {
    const quiet = () => new Promise((resolve) => setTimeout(resolve, QUIET, 'quiet'))
    while ((await Promise.race([terminal.changed(), quiet()])) !== 'quiet');
    return
  }
  for (;;) {
    const now = told(terminal.lines)
    if (now.events.length > events) return
    if (now.events.length === events && (now.cursor || !cursor)) return
    await terminal.changed()
  }
}

// ── What was typed ───────────────────────────────────────────────────────────────────────────────────────────────────

function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

function readCurl(command: string): {
  url: string
  method: string
  headers: Record<string, string>
  body: string | null
} {
  const args = words(command).slice(2)
  const headers: Record<string, string> = {}
  let body: string | null = null
  let url = ''
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string
    if (arg === '-H') {
      const [name = '', value = ''] = (args[++i] as string).split(/: (.*)/)
      headers[name] = value
    } else if (arg === '-d') body = args[++i] as string
    else if (arg.startsWith('http')) url = arg
  }
  return { url, headers, body, method: body === null ? 'GET' : 'POST' }
}

/** Headers of the connection, not of the protocol. */
const NOISE = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'])

async function curl(command: string): Promise<string[]> {
  const { url, method, headers, body } = readCurl(command)
  const answer = await ask(url, { method, headers, ...(body !== null && { body }) })
  const head = Object.entries(answer.headers).filter(([name]) => !NOISE.has(name))
  return [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
    ...head.map(([name, value]) => `${name}: ${value}`),
    '',
    ...(answer.text === '' ? [] : [answer.text]),
  ]
}

async function stream(command: string): Promise<Terminal> {
  const { url, method, headers, body } = readCurl(command)
  const sent = request(url, { method, headers })
  sent.on('error', () => {}).end(body)
  const [answer] = await once(sent, 'response')
  const lines: string[] = []
  let rest = ''
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  return { lines, close: () => answer.destroy(), changed: () => once(answer, 'data') }
}

async function connect(url: string): Promise<Terminal> {
  const ws = new WebSocket(url, 'rt.v1')
  const lines: string[] = []
  ws.on('message', (data) => lines.push(`< ${data}`))
  await once(ws, 'open')
  return { lines, close: () => ws.terminate(), send: (text) => ws.send(text), changed: () => once(ws, 'message') }
}

// ── What came ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The events in the lines of a stream, but those that come when they come; and whether a cursor stands behind the last of them. */
function told(lines: readonly string[]): { events: ServerEvent[]; cursor: boolean } {
  const events: ServerEvent[] = []
  let cursor = false
  for (const line of lines) {
    const some: ServerEvent[] = line.startsWith('< ')
      ? JSON.parse(line.slice(2))
      : line.startsWith('data: ')
        ? [JSON.parse(line.slice(6))]
        : line.startsWith('id: ')
          ? [{ type: 'cursor', cursor: line.slice(4) }]
          : []
    for (const event of some) {
      if (event.type === 'beat') continue
      cursor = event.type === 'cursor'
      if (event.type !== 'cursor') events.push(event)
    }
  }
  return { events, cursor }
}

/** One form for what was recorded and what came: the events of a stream in some order, or an answer's status, headers and body. */
function normal(lines: readonly string[]): unknown {
  const same = lines.map((line) =>
    line
      .replace(CURSOR, 'CURSOR')
      .replace(/"\d{10,16}-\d+"/g, '"ID"')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, 'UUID')
      .replace(/"at":"[^"]+_([01])"/g, '"at":"AT_$1"')
      .replace(/"(life|after)":\d+/g, '"$1":"N"'),
  )
  const [status = ''] = same
  if (!status.startsWith('HTTP/')) {
    const { events, cursor } = told(same)
    return { events: events.map((event) => JSON.stringify(event)).sort(), cursor }
  }
  const empty = same.indexOf('')
  return { status, headers: same.slice(1, empty).sort(), body: JSON.parse(same.slice(empty + 1).join('\n') || 'null') }
}
