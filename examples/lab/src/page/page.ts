/** The page: sends twenty messages a second to itself through the lab, counts what comes, shows what the client does about it, and has the buttons that break things. */
import { createClient, type Status, type TransportName } from '@rt/client'
import type { Realtime } from '../realtime'
import { Counters, columns } from './counters'
import { runScript } from './script'

const rungNames = { websocket: 'WebSocket', sse: 'SSE', 'long-poll': 'Long poll', poll: 'Poll' } as const
const rungs = Object.keys(rungNames) as TransportName[]
const statusNames: Readonly<Record<Status, string>> = {
  idle: 'Not connected',
  connecting: 'Connecting …',
  connected: 'Connected',
  degraded: 'Connected, Redis is away',
  reconnecting: 'Reconnecting …',
  closed: 'Closed',
  failed: 'Refused',
}
/** Milliseconds between two messages. */
const PACE = 50
/** Messages that may be unanswered; with more, none is sent. */
const UNANSWERED = 500
/** Steps of the client that are shown. */
const STEPS = 40

function find<E extends Element = HTMLElement>(id: string): E {
  const element = document.querySelector<E>(`#${id}`)
  if (element === null) throw new Error(`The page has no #${id}.`)
  return element
}

const show = (id: string, text: string | number) => {
  const element = find(id)
  if (element.textContent !== String(text)) element.textContent = String(text)
}

const random = (bytes: number) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

interface LabState {
  readonly endpoint: number
  readonly nodes: readonly { readonly pid: number | null; readonly state: string }[]
  readonly proxy: { readonly open: number; readonly frozen: boolean }
  readonly redis: { readonly name: string; readonly open: number; readonly frozen: boolean }
}
const { endpoint } = (await (await fetch('/state')).json()) as LabState
const client = createClient<Realtime>(`http://${location.hostname}:${endpoint}/rt`, {
  transports: rungs,
  // Longer than any outage that the buttons make.
  timeout: 120_000,
  share: false,
})
const channel = client.channel(`lab:${random(6)}`)

// ── What is sent and counted ─────────────────────────────────────────────────────────────────────────────────────────

const counters = new Counters()
/** The transport in use, or the last one that was. */
let current: TransportName = 'websocket'
let unanswered = 0
let nth = 0
let sending = false

// What is published before that is not promised to us.
channel.on('subscribed', () => {
  if (nth === 0) sending = true
})
channel.subscribe(({ id, messageId }) => counters.received(id, messageId, current))
channel.on('gap', () => counters.gap(current))

setInterval(() => {
  if (sending && unanswered < UNANSWERED) void send({ nth: ++nth }, random(12), current)
}, PACE)

async function send(message: { nth: number }, messageId: string, transport: TransportName): Promise<void> {
  unanswered++
  for (;;) {
    try {
      // The same messageId each time: stored once, however often it is tried.
      const { id } = await channel.publish(message, { messageId })
      counters.stored(id, transport)
      unanswered--
      return
    } catch (error) {
      show('problem', error instanceof Error ? error.message : String(error))
      await pause(500)
    }
  }
}

const rows = new Map(
  rungs.map((rung) => {
    const row = find(`row-${rung}`)
    const cells = columns.map((column) => {
      const cell = document.createElement('td')
      cell.dataset['column'] = column
      row.append(cell)
      return cell
    })
    return [rung, { row, cells }] as const
  }),
)

function showCounters(): void {
  const sums = columns.map(() => 0)
  for (const [rung, { row, cells }] of rows) {
    const counts = counters.row(rung)
    row.classList.toggle('current', rung === client.transport)
    for (const [i, column] of columns.entries()) {
      sums[i] = (sums[i] ?? 0) + counts[column]
      const cell = cells[i] as HTMLElement
      cell.textContent = counts[column].toLocaleString()
      cell.classList.toggle('bad', i > 1 && counts[column] > 0)
    }
  }
  for (const [i, column] of columns.entries()) {
    show(column, (sums[i] ?? 0).toLocaleString())
    find(column).classList.toggle('bad', i > 1 && (sums[i] ?? 0) > 0)
  }
  show('way', unanswered + counters.onTheWay)
}
setInterval(showCounters, 200)

// ── The lab ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function showLab({ nodes, proxy, redis }: LabState): void {
  for (const [i, { pid, state }] of nodes.entries()) {
    find(`node-${i + 1}`).dataset['state'] = state
    show(`node-${i + 1}-state`, pid === null ? 'dead, comes back' : state === 'frozen' ? 'frozen' : `process ${pid}`)
  }
  for (const [name, { open, frozen }] of Object.entries({ proxy, redis })) {
    find(name).dataset['state'] = frozen ? 'frozen' : 'running'
    show(`${name}-state`, frozen ? 'frozen' : `${open} ${open === 1 ? 'connection' : 'connections'}`)
  }
  find('redis').title = redis.name
}

const faults = [...document.querySelectorAll<HTMLButtonElement>('[data-do]')]
for (const button of faults) {
  button.addEventListener('click', async () => {
    const { do: action } = button.dataset
    if (action === 'reconnect') client.reconnect()
    else await fetch(`/do/${action}`, { method: 'POST' }).then(showAnswer, showGone)
  })
}
setInterval(() => void fetch('/state').then(showAnswer, showGone), 500)

async function showAnswer(answer: Response): Promise<void> {
  showLab(await answer.json())
}

function showGone(): void {
  show('problem', 'The lab itself is gone: start it again.')
}

// ── The client ───────────────────────────────────────────────────────────────────────────────────────────────────────

const buttons = [...document.querySelectorAll<HTMLButtonElement>('[data-rung]')]
for (const button of buttons) {
  button.addEventListener('click', async () => {
    button.setAttribute('aria-busy', 'true')
    // Where it does not work just now the client stays where it is, and says so below.
    await client.switchTo(button.dataset['rung'] as TransportName).catch(() => {})
    button.removeAttribute('aria-busy')
  })
}

/** Again until it works: what was broken before may still be. */
async function forced(rung: TransportName): Promise<void> {
  while (client.transport !== rung) {
    await client.switchTo(rung).catch(() => pause(500))
  }
}

let cuts = 0
const showConnection = () => {
  if (client.transport !== null) current = client.transport
  find('status').dataset['status'] = client.status
  show('status-text', statusNames[client.status])
  for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset['rung'] === client.transport))
  if (client.status === 'connected') show('problem', '')
}
client.on('status', (status) => {
  if (status === 'reconnecting') show('cuts', ++cuts)
  showConnection()
})
client.on('transport', showConnection)
client.on('problem', (problem) => show('problem', problem ?? ''))
showConnection()

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
let explained = ''
setInterval(async () => {
  const steps = (await client.explain()).slice(-STEPS).reverse()
  const text = steps.map(({ time }) => time).join()
  if (text === explained) return
  explained = text
  find('steps').replaceChildren(
    ...steps.map(({ time, text }) => {
      const item = document.createElement('li')
      const when = document.createElement('time')
      when.textContent = clock.format(time)
      item.append(when, text)
      return item
    }),
  )
}, 500)

// ── All of it, by itself ─────────────────────────────────────────────────────────────────────────────────────────────

const script = find<HTMLButtonElement>('script')
script.addEventListener('click', async () => {
  const seconds = Number(new URLSearchParams(location.search).get('seconds') ?? 60)
  script.disabled = true
  script.dataset['state'] = 'running'
  show('script', 'Pressing all buttons …')
  await runScript(rungs, forced, faults, seconds, pause)
  // Nothing more is sent, so that what is missing at the end would show.
  sending = false
  show('script', 'Waiting for the rest …')
  while (unanswered + counters.onTheWay > 0) await pause(100)
  showCounters()
  sending = true
  script.disabled = false
  script.dataset['state'] = 'done'
  show('script', 'Press all, for a minute')
})
