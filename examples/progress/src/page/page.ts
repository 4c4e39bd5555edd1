/** The page: hands a topic in, then shows the job whose id stands behind `#`: its bar, its text, and the button that stops it. A reload, or another tab, shows the same. */
import { createClient, type MessageOf, type Status } from '@rt/client'
import type { Progress, Realtime } from '../realtime'

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

const client = createClient<Realtime>('/rt')
// Also while there is no job, to say how the connection is.
client.connect()

// ── The job ──────────────────────────────────────────────────────────────────────────────────────────────────────────

let leave = () => {}

/** Shows the job that the address names. */
function watch(): void {
  leave()
  const id = location.hash.slice(1)
  const known = /^[\w-]{1,64}$/.test(id)
  find('job').hidden = !known
  if (!known) return

  const job = client.channel(`job:${id}`)
  const text = client.channel(`job:${id}:text`)
  const paper = new Paper()
  const waiting = { phase: 'waiting', done: 0, total: 1, worker: null } as const
  showProgress(waiting)
  const stop = find<HTMLButtonElement>('stop')
  stop.onclick = async () => {
    stop.disabled = true
    try {
      await client.channel(`job:${id}:orders`).publish('stop')
    } catch {
      stop.disabled = false
    }
  }

  const undo = [
    // How far it is now, then each step from there on.
    job.on('state', ({ state }) => showProgress(state ?? waiting)),
    job.subscribe(({ data }) => showProgress(data)),
    // The tokens so far, then each as it is written: none twice, none left out.
    text.subscribe(({ data }) => paper.add(data), { last: 1000 }),
    text.on('subscribed', () => paper.live()),
    text.on('gap', () => paper.gap()),
  ]
  leave = () => {
    for (const each of undo) each()
  }
}

function showProgress({ phase, done, total, worker }: Progress | Waiting): void {
  const share = Math.floor((100 * done) / total)
  const bar = find('bar')
  bar.setAttribute('aria-valuenow', String(share))
  bar.style.setProperty('--share', String(done / total))
  find('job').dataset['phase'] = phase
  show('phase', phaseNames[phase])
  show('percent', `${share} %`)
  show('worker', worker === null ? '–' : `process ${worker}`)
  const over = phase === 'done' || phase === 'stopped'
  const stop = find<HTMLButtonElement>('stop')
  stop.hidden = over
  if (phase === 'waiting') stop.disabled = false
}

/** No worker has said anything yet. */
interface Waiting {
  readonly phase: 'waiting'
  readonly done: number
  readonly total: number
  readonly worker: null
}

const phaseNames = {
  waiting: 'Waiting for the worker …',
  reading: 'Reading the sources …',
  writing: 'Writing …',
  done: 'Done',
  stopped: 'Stopped: the worker has put the pen down.',
} as const

/** The text, and what the page counts of its tokens. */
class Paper {
  readonly #seen = new Set<number>()
  #most = -1
  #doubled = 0
  #atLoad: number | null = null

  constructor() {
    find('text').replaceChildren()
    find('note').hidden = true
    this.#count()
  }

  add({ index, token }: MessageOf<Realtime, `job:${string}:text`>): void {
    if (this.#seen.has(index)) this.#doubled++
    this.#seen.add(index)
    this.#most = Math.max(this.#most, index)
    find('text').append(token)
    this.#count()
  }

  /** What comes from here on is written now. */
  live(): void {
    this.#atLoad ??= this.#seen.size
    this.#count()
  }

  gap(): void {
    find('note').hidden = false
  }

  #count(): void {
    const atLoad = this.#atLoad ?? this.#seen.size
    show('at-load', atLoad)
    show('since', this.#seen.size - atLoad)
    show('doubled', this.#doubled)
    show('missing', this.#most + 1 - this.#seen.size)
  }
}

// ── What is done ─────────────────────────────────────────────────────────────────────────────────────────────────────

find('ask').addEventListener('submit', async (event) => {
  event.preventDefault()
  const button = find<HTMLButtonElement>('write')
  button.disabled = true
  try {
    const response = await fetch('/jobs', { method: 'POST', body: find<HTMLInputElement>('topic').value })
    if (!response.ok) throw new Error(await response.text())
    const { id } = (await response.json()) as { id: string }
    location.hash = id
    find('failed').hidden = true
  } catch (error) {
    show('failed', `Not taken: ${error instanceof Error ? error.message : error}`)
    find('failed').hidden = false
  }
  button.disabled = false
})
addEventListener('hashchange', watch)
watch()

// ── The connection ───────────────────────────────────────────────────────────────────────────────────────────────────

let cuts = 0
const showConnection = () => {
  find('status').dataset['status'] = client.status
  show('status-text', statusNames[client.status])
  show('transport', client.transport ?? 'none')
  show('problem', client.problem ?? '')
}
client.on('status', (status) => {
  if (status === 'reconnecting') show('cuts', ++cuts)
  showConnection()
})
client.on('transport', showConnection)
client.on('problem', showConnection)
showConnection()
find('cut').addEventListener('click', () => client.reconnect())
