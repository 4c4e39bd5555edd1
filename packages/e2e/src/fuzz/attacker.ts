/** Who sends bad requests and bad frames, made from good ones, over real sockets, or the good ones for comparison; a process of its own, started by sockets.test.ts, which judges the answers. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { badValues, commandFrames, Mutator, openFrames, readCorpus } from '@rt/protocol/fuzz'
import { parent, settings } from '../processes/child.ts'
import { frame, handshake, readFrames } from './raw-websocket.ts'

export type Way = 'websocket' | 'sse' | 'long-poll' | 'poll' | 'post'

export interface AttackerSettings {
  readonly port: number
  readonly seed: number
}

export type AttackerAsked = {
  readonly type: 'attack'
  readonly way: Way
  readonly inputs: number
  readonly bad: boolean
}

export type AttackerTold =
  | { readonly type: 'ready' }
  /** How often each answer came: a status with the code in its body, the code of an event's error, or the code of a close. */
  | { readonly type: 'answered'; readonly way: Way; readonly answers: Readonly<Record<string, number>> }

const { port, seed } = settings<AttackerSettings>()
const mutator = new Mutator(seed)

/** So many at a time on each way, with this pause (ms) after each input: the node is not to be busy, only badly treated. */
const LANES = 4
const PAUSE = 20
/** A connection that is still open ends behind so many frames. */
const FRAMES = 40

class Answers {
  readonly counts: Record<string, number> = {}

  add(answer: string): void {
    this.counts[answer] = (this.counts[answer] ?? 0) + 1
  }
}

// ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const GOOD_QUERY: readonly (readonly [string, string])[] = [
  ['channels', 'room:1,typing:1,score:1,any:1'],
  ['cursor', '1.1.0_mwunsau7-6wt9_mwunsb8r-ixse'],
  ['new', 'typing:1'],
  ['last', '5'],
  ['watch', 'lobby:1'],
  ['since', '1795522581727-322461_1795522589333-653084_1'],
  ['client', 'tab-1'],
  ['entered', 'lobby:1'],
  ['heartbeat', '20000'],
  ['members', 'lobby:1'],
  ['open', 'first'],
]

const GOOD_HEADERS: readonly (readonly [string, string])[] = [
  ['Authorization', 'Bearer user:8'],
  ['Origin', 'https://app.example'],
  ['Last-Event-ID', '1.1.0_mwunsau7-6wt9_mwunsb8r-ixse'],
  ['If-None-Match', '"1.1.0_mwunsau7-6wt9_mwunsb8r-ixse"'],
  ['Sec-Fetch-Site', 'same-origin'],
  ['Cookie', 'session=1'],
  ['X-Forwarded-For', '10.0.0.1'],
  ['Expect', '100-continue'],
  ['Content-Encoding', 'identity'],
]

/** A value without the quotes of its JSON, as it stands or encoded. */
function badText(): string {
  const text = mutator.pick(badValues).replace(/^"|"$/g, '')
  return mutator.number(2) === 0 ? encodeURIComponent(text) : text.slice(0, 500)
}

/** Some of the good ones, one or two of them with something else in it, or twice. */
function some(good: readonly (readonly [string, string])[], most: number): (readonly [string, string])[] {
  const chosen = good.filter(() => mutator.number(3) === 0).slice(0, most)
  for (let n = mutator.number(3); n > 0 && chosen.length > 0; n--) {
    const at = mutator.number(chosen.length)
    const [name, value] = chosen[at] as readonly [string, string]
    if (mutator.number(4) === 0) chosen.push([name, value])
    else chosen[at] = mutator.number(5) === 0 ? [badText(), value] : [name, badText()]
  }
  return chosen
}

function target(way: Way): string {
  const query = [...some(GOOD_QUERY.slice(1), 5)]
  if (mutator.number(10) > 0) query.unshift(GOOD_QUERY[0] as readonly [string, string])
  // The hold of a long poll is short: it is not what is tried here.
  if (way === 'long-poll') query.push(['wait', mutator.number(4) === 0 ? badText() : '1'])
  return `/rt?${query.map(([name, value]) => `${name}=${value}`).join('&')}`
}

const ACCEPT = { websocket: '*/*', sse: 'text/event-stream', 'long-poll': 'application/json', poll: '*/*', post: '*/*' }

/** As a client of ours would send it. */
function goodRequest(way: Way): Buffer {
  const query = way === 'post' ? '' : `?channels=room:1,typing:1,score:1,any:1${way === 'long-poll' ? '&wait=0' : ''}`
  const body = way === 'post' ? mutator.pick(commandFrames) : ''
  const posted = way === 'post' ? `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n` : ''
  const head = `${way === 'post' ? 'POST' : 'GET'} /rt${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
  return Buffer.from(`${head}Connection: close\r\nAccept: ${ACCEPT[way]}\r\n${posted}\r\n${body}`)
}

function badRequest(way: Way): Buffer {
  const posted = way === 'post' || mutator.number(3) === 0
  const body = !posted
    ? ''
    : way === 'post'
      ? mutator.mutate(mutator.pick(commandFrames), commandFrames)
      : mutator.mutate(mutator.pick(openFrames), openFrames)
  const bytes = Buffer.from(body)
  const headers: (readonly [string, string])[] = [
    ['Host', `127.0.0.1:${port}`],
    ['Connection', 'close'],
    ['Accept', mutator.number(15) === 0 ? badText() : ACCEPT[way]],
    ...some(GOOD_HEADERS, 4),
  ]
  if (posted) {
    headers.push(['Content-Type', mutator.number(15) === 0 ? badText() : 'application/json'])
    headers.push(['Content-Length', mutator.number(30) === 0 ? badText() : String(bytes.length)])
  }
  const path = way === 'post' && mutator.number(10) > 0 ? '/rt' : target(way)
  const method = mutator.number(40) === 0 ? badText() : posted ? 'POST' : 'GET'
  const head = `${method} ${path} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(mutator.number(30) === 0 ? mutator.scramble(head) : head), bytes])
}

/** Sends one request and reads the beginning of its answer. */
async function request(bytes: Buffer, answers: Answers): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  await once(socket, 'connect').catch(() => {})
  // One in ten does not wait.
  if (mutator.number(10) === 0) {
    socket.write(bytes, () => socket.resetAndDestroy())
    answers.add('gone')
    return
  }
  const answer = answerOf(socket)
  socket.write(bytes)
  answers.add(await answer)
  socket.destroy()
}

/** The status, with the code of an error. A stream's answer is enough when its first event came. */
function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const read = (ended: boolean) => {
      const at = text.indexOf('\r\n\r\n')
      const head = text.slice(0, at)
      const body = text.slice(at + 4)
      const status = /^HTTP\/1\.1 (\d+)/.exec(head)?.[1]
      if (status === '100') {
        text = body
        return read(ended)
      }
      const length = /^content-length: (\d+)/im.exec(head)?.[1]
      const isStream = /^content-type: text\/event-stream/im.test(head)
      const whole = length !== undefined && Buffer.byteLength(body) >= Number(length)
      if (at < 0 || !(whole || ended || (isStream && body.includes('data:')) || /^HTTP\/1\.1 (204|304)/.test(head))) {
        if (ended) resolve(at < 0 ? 'closed' : `cut ${status}`)
        return
      }
      const code = Number(status) >= 400 ? /"error":\{"code":"(\w+)"/.exec(body)?.[1] : undefined
      resolve(code === undefined ? `${status}` : `${status} ${code}`)
    }
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      read(false)
    })
    socket.on('close', () => read(true))
  })
}

async function requests(way: Way, count: number, bad: boolean, answers: Answers): Promise<void> {
  for (let n = 0; n < count; n++) {
    await request(bad ? badRequest(way) : goodRequest(way), answers)
    await pause(PAUSE)
  }
}

// ── Frames ───────────────────────────────────────────────────────────────────────────────────────────────────────────

async function frames(count: number, bad: boolean, answers: Answers): Promise<void> {
  const texts = (good: readonly string[]) => (bad ? mutator.mutate(mutator.pick(good), good) : mutator.pick(good))
  for (let sent = 0; sent < count; ) {
    const first = mutator.number(4) === 0
    const path = first ? '/rt?open=first' : bad && mutator.number(4) === 0 ? target('websocket') : '/rt?channels=room:1'
    const opened = await handshake(port, path)
    if (typeof opened === 'string') {
      sent++
      answers.add(opened)
      continue
    }
    const { socket, head } = opened
    let alive = true
    let wake = () => {}
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve())).then(() => {
      alive = false
      wake()
    })
    let pongs = 0
    readFrames(socket, head, ({ opcode, payload }) => {
      if (opcode === 1) for (const code of codesOf(payload.toString())) answers.add(`event ${code}`)
      if (opcode === 8) answers.add(`close ${payload.length >= 2 ? payload.readUInt16BE(0) : 'without a code'}`)
      if (opcode === 8) socket.end()
      if (opcode === 10) pongs++
      wake()
    })
    for (let n = 0; n < FRAMES && alive && sent < count; n++, sent++) {
      const text = texts(first && n === 0 ? openFrames : commandFrames)
      const bytes = bad && mutator.number(40) === 0 ? scrambled(frame(0x81, text)) : frame(0x81, text)
      socket.write(bytes)
      // Behind its answer the server has read what came before it, unless what came before was half a frame.
      const before = pongs
      socket.write(frame(0x89, ''))
      const late = pause(500).then(() => {
        if (pongs === before) socket.destroy()
      })
      while (alive && pongs === before) await new Promise<void>((resolve) => (wake = resolve))
      void late
      await pause(PAUSE)
    }
    if (mutator.number(2) === 0) socket.resetAndDestroy()
    else socket.end(frame(0x88, Buffer.from([0x03, 0xe8])))
    await closed
  }
}

function scrambled(bytes: Buffer): Buffer {
  for (let n = 1 + mutator.number(4); n > 0; n--) {
    const at = mutator.number(Math.min(bytes.length, 16))
    bytes[at] = mutator.number(256)
  }
  return bytes
}

function codesOf(text: string): string[] {
  const events = JSON.parse(text) as { error?: { code: string } }[]
  return events.flatMap(({ error }) => error?.code ?? [])
}

/** The corpus as it is, one after the other. */
async function corpus(way: Way, answers: Answers): Promise<void> {
  for (const { text } of readCorpus(way === 'post' ? 'commands' : 'open')) {
    const head = `POST /rt HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: ${ACCEPT[way]}\r\nContent-Type: application/json\r\n`
    await request(Buffer.from(`${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`), answers)
  }
}

const { tell } = parent<AttackerTold, AttackerAsked>(({ way, inputs, bad }) => {
  const answers = new Answers()
  const each = Math.ceil(inputs / LANES)
  const lanes = Array.from({ length: LANES }, () =>
    way === 'websocket' ? frames(each, bad, answers) : requests(way, each, bad, answers),
  )
  if (bad && way !== 'websocket') lanes.push(corpus(way, answers))
  void Promise.all(lanes).then(() => tell({ type: 'answered', way, answers: answers.counts }))
})
tell({ type: 'ready' })
