/** The page: joins a document of Yjs, the channels that carry it, the textarea, and the carets of others. Any name behind `#` is a document. */
import { createClient, type Status } from '@rt/client'
import * as Y from 'yjs'
import type { Realtime } from '../realtime'
import { Binding, TYPED } from './binding'
import { type Caret, Carets } from './carets'
import { Sender } from './sender'

const statusNames: Readonly<Record<Status, string>> = {
  idle: 'Not connected',
  connecting: 'Connecting …',
  connected: 'Connected',
  degraded: 'Connected, Redis is away',
  reconnecting: 'Reconnecting …',
  closed: 'Closed',
  failed: 'Refused',
}

function find<E extends Element = HTMLElement>(id: string): E {
  const element = document.querySelector<E>(`#${id}`)
  if (element === null) throw new Error(`The page has no #${id}.`)
  return element
}

const toBase64 = (data: Uint8Array) => btoa(String.fromCharCode(...data))
const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

const randomText = (bytes: number) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')
const key = randomText(16)
const random = crypto.getRandomValues(new Uint16Array(3))
const pick = (words: readonly string[], i: number) => words[(random[i] ?? 0) % words.length]
const me = {
  /** Which of the members is this page. */
  tab: randomText(8),
  name:
    new URLSearchParams(location.search).get('name')?.slice(0, 40) ??
    `${pick(['Calm', 'Brave', 'Quick', 'Merry', 'Kind', 'Wise'], 0)} ${pick(['Otter', 'Heron', 'Lynx', 'Finch', 'Robin', 'Fox'], 1)}`,
  hue: (random[2] ?? 0) % 360,
}
const name = /^#([\w-]{1,40})$/.exec(location.hash)?.[1] ?? 'welcome'
// Another document is another page.
addEventListener('hashchange', () => location.reload())

const client = createClient<Realtime>('/rt', { token: key })
const channel = client.channel(`doc:${name}`)
const caretChannel = client.channel(`doc:${name}:carets`)

// ── The text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const doc = new Y.Doc()
const text = doc.getText('text')
const area = find<HTMLTextAreaElement>('area')
const binding = new Binding(area, text, ({ anchor, head }) => tellCaret(anchor, head))
const sender = new Sender((update, options) => channel.publish(update, options), showSaved)

doc.on('update', (update: Uint8Array, origin: unknown) => {
  if (origin === TYPED) sender.add(update)
  drawSoon()
})
// The document so far, then each update. What is in both does nothing the second time.
channel.on('state', ({ state }) => {
  binding.apply(fromBase64(state))
  area.disabled = false
})
channel.subscribe(({ data }) => {
  try {
    binding.apply(data)
  } catch {
    // Somebody published what is no update: the server leaves it out, too.
  }
})

function showSaved(): void {
  find('saved').textContent = sender.refused ?? (sender.saved ? 'All changes saved' : 'Saving …')
}
addEventListener('beforeunload', (event) => {
  if (!sender.saved) event.preventDefault()
})

// ── The others ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Place {
  readonly anchor: Y.RelativePosition
  readonly head: Y.RelativePosition
}
const places = new Map<string, Place>()
const carets = new Carets(find('copy'), find('carets'))
let people: readonly { readonly id: string; readonly state: typeof me }[] = []
let told = ''

function tellCaret(anchor: Y.RelativePosition, head: Y.RelativePosition, again = false): void {
  const message = { anchor: encodePlace(anchor), head: encodePlace(head) }
  const said = JSON.stringify(message)
  if (!again && said === told) return
  told = said
  // Where it is next will be told as well: one that does not arrive is no harm.
  if (client.status === 'connected') caretChannel.publish(message).catch(() => {})
}
const encodePlace = (place: Y.RelativePosition) => toBase64(Y.encodeRelativePosition(place))
const decodePlace = (code: string) => Y.decodeRelativePosition(fromBase64(code))

caretChannel.subscribe(({ from, data }) => {
  if (from === null) return
  places.set(from, { anchor: decodePlace(data.anchor), head: decodePlace(data.head) })
  drawSoon()
})
channel.presence.enter(me).catch((error: Error) => {
  find('status').title = error.message
})
channel.presence.subscribe(({ members }, change) => {
  people = members
  if (change?.action === 'leave') places.delete(change.member.id)
  // Who comes sees where we are.
  if (change?.action === 'enter') tellCaret(binding.selection.anchor, binding.selection.head, true)
  showPeople()
  drawSoon()
})

function showPeople(): void {
  find('people').replaceChildren(
    ...people.map(({ state }) => {
      const item = document.createElement('li')
      item.textContent = state.name
      item.style.setProperty('--hue', String(state.hue))
      return item
    }),
  )
}

let drawing = 0
function drawSoon(): void {
  cancelAnimationFrame(drawing)
  drawing = requestAnimationFrame(() => {
    const shown: Caret[] = people.flatMap(({ id, state }) => {
      const place = places.get(id)
      if (place === undefined || state.tab === me.tab) return []
      return [{ ...state, anchor: binding.indexOf(place.anchor), head: binding.indexOf(place.head) }]
    })
    carets.draw(area.value, shown)
    find('length').textContent = `${area.value.length} characters`
  })
}
addEventListener('resize', drawSoon)
area.addEventListener('input', drawSoon)

// ── The connection ───────────────────────────────────────────────────────────────────────────────────────────────────

const showConnection = () => {
  find('status').dataset['status'] = client.status
  find('status-text').textContent = statusNames[client.status]
  find('transport').textContent = client.transport ?? 'none'
  find('problem').textContent = client.problem ?? ''
}
let cuts = 0
client.on('status', (status) => {
  if (status === 'reconnecting') find('cuts').textContent = String(++cuts)
  showConnection()
})
client.on('transport', showConnection)
client.on('problem', showConnection)
showConnection()
showSaved()
find('name').textContent = name
find('cut').addEventListener('click', () => client.reconnect())
