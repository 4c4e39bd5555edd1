/** The page: thirty figures, each a channel of its own, on whatever transport the switch says; and what came, how old it was, and what was spared. */
import { createClient, type Status, type TransportName } from '@rt/client'
import { groups } from '../figures'
import type { Realtime } from '../realtime'
import { Card } from './figure'

const SHOWN = 60
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

const show = (id: string, text: string | number) => {
  find(id).textContent = String(text)
}

const client = createClient<Realtime>('/rt', {
  // The first is where it begins, and where it goes back to when another one fails.
  transports: ['poll', 'long-poll', 'sse', 'websocket'],
  // Each tab has its own switch.
  share: false,
})

// ── The figures ──────────────────────────────────────────────────────────────────────────────────────────────────────

const cards: Card[] = []
const counted = { values: 0, age: 0, spared: 0, backwards: 0 }

for (const group of groups) {
  const section = document.createElement('section')
  const name = document.createElement('h2')
  name.textContent = group.name
  section.append(name)
  for (const figure of group.figures) {
    const card = new Card(figure, SHOWN)
    cards.push(card)
    section.append(card.element)
    watch(figure.id, card)
  }
  find('groups').append(section)
}

function watch(id: string, card: Card): void {
  const channel = client.channel(`figure:${id}`)
  let last: number | null = null
  // What comes before this is history.
  let live = false
  channel.on('subscribed', () => {
    live = true
  })
  // The server lost its memory, and counts anew.
  channel.on('gap', () => {
    last = null
  })
  channel.subscribe(
    ({ data, time }) => {
      if (last !== null && data.nth <= last) counted.backwards++
      if (last !== null && data.nth > last + 1) counted.spared += data.nth - last - 1
      last = data.nth
      if (live) {
        counted.values++
        counted.age += Math.max(0, Date.now() - time)
      }
      card.add(data.value)
      card.element.dataset['nth'] = String(data.nth)
    },
    { last: SHOWN },
  )
}

function frame(): void {
  requestAnimationFrame(frame)
  for (const card of cards) card.draw()
}
frame()

const SECONDS = 2
setInterval(() => {
  show('rate', Math.round(counted.values / SECONDS))
  const age = counted.age / counted.values
  show('age', counted.values === 0 ? '–' : age < 995 ? `${Math.round(age)} ms` : `${(age / 1000).toFixed(1)} s`)
  counted.values = 0
  counted.age = 0
}, SECONDS * 1000)
setInterval(() => {
  show('spared', counted.spared)
  show('backwards', counted.backwards)
}, 250)

// ── The switch ───────────────────────────────────────────────────────────────────────────────────────────────────────

const buttons = document.querySelectorAll<HTMLButtonElement>('[data-rung]')
for (const button of buttons) {
  button.addEventListener('click', async () => {
    button.setAttribute('aria-busy', 'true')
    try {
      await client.switchTo(button.dataset['rung'] as TransportName)
    } catch (error) {
      show('problem', error instanceof Error ? error.message : String(error))
    }
    button.removeAttribute('aria-busy')
  })
}

let cuts = 0
const showConnection = () => {
  find('status').dataset['status'] = client.status
  show('status-text', statusNames[client.status])
  show('problem', client.problem ?? '')
  for (const button of buttons) {
    button.setAttribute('aria-pressed', String(button.dataset['rung'] === client.transport))
  }
}
client.on('status', (status) => {
  if (status === 'reconnecting') show('cuts', ++cuts)
  showConnection()
})
client.on('transport', showConnection)
client.on('problem', showConnection)
showConnection()
find('cut').addEventListener('click', () => client.reconnect())
