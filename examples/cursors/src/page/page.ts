/** The page: sends where our pointer is, and shows where those of the others are, sixty times a second. */
import { createClient, type Status, type TransportName } from '@rt/client'
import { clock, Sender } from '../sender'
import type { Realtime } from '../server'
import { Board, colourOf, type Drawn } from './board'
import { Cursor } from './cursor'

const rungNames: Readonly<Record<TransportName, string>> = {
  websocket: 'WebSocket',
  sse: 'SSE',
  'long-poll': 'Long poll',
  poll: 'Poll',
}
const statusNames: Readonly<Record<Status, string>> = {
  idle: 'Not connected',
  connecting: 'Connecting …',
  connected: 'Connected',
  degraded: 'Connected, Redis is away',
  reconnecting: 'Reconnecting …',
  closed: 'Closed',
  failed: 'Refused',
}
/** Avatars that are shown; how many more there are is a number. */
const FACES = 8

function find<E extends Element = HTMLElement>(id: string): E {
  const element = document.querySelector<E>(`#${id}`)
  if (element === null) throw new Error(`The page has no #${id}.`)
  return element
}

/** Only what changed: some of it is read aloud. */
const show = (id: string, text: string) => {
  const element = find(id)
  if (element.textContent !== text) element.textContent = text
}

// ── Who we are ───────────────────────────────────────────────────────────────────────────────────────────────────────

const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
  '',
)
const { node, you } = (await (await fetch('/me', { headers: { authorization: `Bearer ${token}` } })).json()) as {
  node: string
  you: string
}
show('node', node)

const animals = ['Otter', 'Heron', 'Lynx', 'Finch', 'Badger', 'Whale', 'Robin', 'Fox']
const me = {
  name: localStorage.getItem('name') ?? (animals[Math.floor(Math.random() * animals.length)] as string),
  hue: Number(localStorage.getItem('hue') ?? Math.floor(Math.random() * 360)),
}
localStorage.setItem('hue', String(me.hue))

const client = createClient<Realtime>('/rt', {
  token,
  // We send all the time, and what a poll would fetch is not kept.
  transports: ['websocket', 'sse', 'long-poll'],
})
const board = client.channel('board:lobby')

// ── Who is here: names and colours ───────────────────────────────────────────────────────────────────────────────────

let members = board.presence.list.members

board.presence.subscribe((list) => {
  members = list.members
  const here = new Set(members.map(({ id }) => id))
  for (const id of cursors.keys()) if (!here.has(id)) cursors.delete(id)
  find('people').toggleAttribute('data-unknown', !list.known)
  show('count', list.known ? `${members.length} here` : 'not sure who is here')
  const faces = [...members].sort((a, b) => Number(b.id === you) - Number(a.id === you))
  find('faces').replaceChildren(
    ...faces.slice(0, FACES).map(({ id, state: { name, hue } }) => {
      const face = document.createElement('li')
      face.style.setProperty('--colour', colourOf(hue))
      face.textContent = Array.from(name)[0]?.toUpperCase() ?? ''
      face.title = id === you ? `${name} (you)` : name
      face.setAttribute('aria-label', face.title)
      return face
    }),
  )
  show('more', faces.length > FACES ? `+${faces.length - FACES}` : '')
})
// Kept by the client, through every reconnect.
board.presence.enter(me).catch(showError)

const input = find<HTMLInputElement>('name')
input.value = me.name
document.documentElement.style.setProperty('--mine', colourOf(me.hue))
input.addEventListener('change', () => {
  me.name = input.value.trim() || me.name
  input.value = me.name
  localStorage.setItem('name', me.name)
  board.presence.update(me).catch(showError)
})

// ── Where the others are ─────────────────────────────────────────────────────────────────────────────────────────────

/** By identity id. */
const cursors = new Map<string, Cursor>()
const counted = { messages: 0, frames: 0 }

board.subscribe(({ from, data }) => {
  counted.messages++
  if (from === null || from === you) return
  const cursor = cursors.get(from) ?? new Cursor()
  cursors.set(from, cursor)
  cursor.take(data.points, data.tap === true, clock())
})

// ── Where we are ─────────────────────────────────────────────────────────────────────────────────────────────────────

const canvas = find<HTMLCanvasElement>('board')
const sender = new Sender((message) => board.publish(message))
/** Our own cursor, shown at once; null until the pointer was over the board. */
let mine: { x: number; y: number } | null = null
const own = new Cursor()

function move(x: number, y: number, tap = false): void {
  mine = { x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y)) }
  if (tap) {
    own.take([[mine.x, mine.y, clock()]], true, clock())
    show('hint', '')
  }
  // What nobody hears now is of no use later.
  if (client.status !== 'connected') return
  if (tap) sender.tap(mine.x, mine.y)
  else sender.move(mine.x, mine.y)
}

const moveTo = ({ offsetX, offsetY }: PointerEvent, tap: boolean) =>
  move(offsetX / canvas.clientWidth, offsetY / canvas.clientHeight, tap)
canvas.addEventListener('pointermove', (event) => moveTo(event, false))
canvas.addEventListener('pointerdown', (event) => moveTo(event, true))

/** Keys that are held, so that the pointer goes on evenly and not at the rhythm of the keyboard. */
const held = new Set<string>()
canvas.addEventListener('keydown', ({ key, repeat }) => {
  if (key.startsWith('Arrow')) held.add(key)
  const { x, y } = mine ?? { x: 0.5, y: 0.5 }
  if ((key === ' ' || key === 'Enter') && !repeat) move(x, y, true)
})
canvas.addEventListener('keyup', ({ key }) => held.delete(key))
canvas.addEventListener('blur', () => held.clear())

function moveByKeys(milliseconds: number): void {
  if (held.size === 0) return
  const { x, y } = mine ?? { x: 0.5, y: 0.5 }
  const step = milliseconds * 0.0005
  const along = (less: string, more: string) => step * (Number(held.has(more)) - Number(held.has(less)))
  move(
    x + along('ArrowLeft', 'ArrowRight'),
    y + along('ArrowUp', 'ArrowDown') * (canvas.clientWidth / canvas.clientHeight),
  )
}

// ── Each frame ───────────────────────────────────────────────────────────────────────────────────────────────────────

const painter = new Board(canvas)
let before = performance.now()

function frame(): void {
  requestAnimationFrame(frame)
  counted.frames++
  moveByKeys(performance.now() - before)
  before = performance.now()
  sender.flush()
  const now = clock()
  const drawn: Drawn[] = []
  for (const { id, state } of members) {
    const cursor = cursors.get(id)
    const place = cursor?.at(now)
    if (place && cursor) drawn.push({ ...state, ...place, ripples: cursor.ripples(now) })
  }
  if (mine !== null) drawn.push({ ...me, ...mine, idle: 0, trail: [], ripples: own.ripples(now) })
  painter.draw(drawn)
}
frame()

// ── What the connection does ─────────────────────────────────────────────────────────────────────────────────────────

let second = performance.now()
setInterval(() => {
  const seconds = (performance.now() - second) / 1000
  second = performance.now()
  show('frames', String(Math.round(counted.frames / seconds)))
  show('messages', String(Math.round(counted.messages / seconds)))
  counted.frames = 0
  counted.messages = 0
}, 1000)

function showError(error: unknown): void {
  show('problem', error instanceof Error ? error.message : String(error))
}

const showConnection = () => {
  find('status').dataset['status'] = client.status
  show('status-text', statusNames[client.status])
  show('transport', client.transport === null ? 'none' : rungNames[client.transport])
  show('problem', client.problem ?? '')
}
client.on('status', showConnection)
client.on('transport', showConnection)
client.on('problem', showConnection)
client.on('error', showError)
showConnection()
