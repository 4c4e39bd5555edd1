/** The page: joins a visitor, a client and the conversations, and shows what the connection does. Everything else is asked from here. */
import { type Client, createClient, type Status, type TransportName } from '@rt/client'
import type { Realtime } from '../server'
import { Conversation } from './conversation'
import { People } from './people'
import { forgetVisitor, newVisitor, paintAvatar, storedVisitor, suggestedName, type Visitor } from './visitor'

const rooms = ['lobby', 'garden', 'workshop']
const rungNames: Readonly<Record<TransportName, string>> = {
  websocket: 'WebSocket',
  sse: 'SSE',
  'long-poll': 'Long poll',
  poll: 'Poll',
}
const statusNames: Readonly<Record<Status, { readonly text: string; readonly icon: string }>> = {
  idle: { text: 'Not connected', icon: 'connecting' },
  connecting: { text: 'Connecting …', icon: 'connecting' },
  connected: { text: 'Connected', icon: 'connected' },
  degraded: { text: 'Connected, Redis is away', icon: 'degraded' },
  reconnecting: { text: 'Reconnecting …', icon: 'connecting' },
  closed: { text: 'Closed', icon: 'failed' },
  failed: { text: 'Refused', icon: 'failed' },
}

function find<E extends Element = HTMLElement>(id: string): E {
  const element = document.querySelector<E>(`#${id}`)
  if (element === null) throw new Error(`The page has no #${id}.`)
  return element
}

const show = (id: string, text: string) => {
  const element = find(id)
  if (element.textContent !== text) element.textContent = text
}

const visitor = storedVisitor() ?? (await join())
await enter(visitor)

/** Asks for a name. */
function join(): Promise<Visitor> {
  const dialog = find<HTMLDialogElement>('join')
  const input = find<HTMLInputElement>('name')
  input.value = suggestedName()
  dialog.addEventListener('cancel', (event) => event.preventDefault())
  dialog.showModal()
  input.select()
  return new Promise((resolve) => {
    find('join-form').addEventListener('submit', (event) => {
      const name = input.value.trim()
      if (name !== '') resolve(newVisitor(name))
      else event.preventDefault()
    })
  })
}

async function enter({ name, token }: Visitor): Promise<void> {
  const client = createClient<Realtime>('/rt', {
    token,
    // A message may wait so long for a node or a network that comes back, until it counts as failed.
    timeout: 120_000,
  })
  const self = await whoAnswers(token)
  showConnection(client, token)

  const conversations = new Map<string, Conversation>()
  let here = open(roomInAddress())
  let people: People | null = null

  function open(room: string): Conversation {
    const known = conversations.get(room)
    if (known !== undefined) return known
    const conversation = new Conversation(room, client, self, {
      changed: refresh,
      answered: showTrip,
      edit(text) {
        input.value = input.value === '' ? text : `${text}\n${input.value}`
        resize()
        input.focus()
      },
    })
    conversations.set(room, conversation)
    find('scroll').append(conversation.element)
    const item = document.createElement('li')
    const link = document.createElement('a')
    link.href = `#${encodeURIComponent(room)}`
    link.dataset['room'] = room
    const unread = document.createElement('span')
    unread.className = 'unread'
    link.append(room, unread)
    item.append(link)
    find('rooms').append(item)
    return conversation
  }

  // ── What is seen ───────────────────────────────────────────────────────────────────────────────────────────────

  const scroll = find('scroll')
  const newer = find<HTMLButtonElement>('newer')
  let atEnd = true
  /** Messages that came below what is seen. */
  let below = 0

  function toEnd(): void {
    atEnd = true
    below = 0
    newer.hidden = true
    scroll.scrollTop = scroll.scrollHeight
  }

  scroll.addEventListener('scroll', () => {
    atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60
    if (atEnd) {
      below = 0
      newer.hidden = true
    }
  })
  newer.addEventListener('click', toEnd)
  new ResizeObserver(() => atEnd && toEnd()).observe(scroll)

  let due = false
  /** Shows what changed, once for all that came together. */
  function refresh(): void {
    if (due) return
    due = true
    queueMicrotask(() => {
      due = false
      let received = 0
      const sums = { lost: 0, doubled: 0, gaps: 0 }
      for (const { tally, room, unread } of conversations.values()) {
        received += tally.received
        sums.lost += tally.lost
        sums.doubled += tally.doubled
        sums.gaps += tally.gaps
        const link = document.querySelector<HTMLElement>(`[data-room="${CSS.escape(room)}"]`)
        const badge = link?.querySelector('.unread')
        if (badge) badge.textContent = unread === 0 ? '' : unread > 99 ? '99+' : String(unread)
        if (room === here.room) link?.setAttribute('aria-current', 'page')
        else link?.removeAttribute('aria-current')
      }
      show('received', String(received))
      for (const [id, sum] of Object.entries(sums)) {
        show(id, String(sum))
        find(id).classList.toggle('bad', sum > 0)
      }
      const { tally } = here
      const fresh = tally.received - shown
      shown = tally.received
      if (atEnd) toEnd()
      else if (fresh > 0) {
        below += fresh
        show('newer-text', `${below} new`)
        newer.hidden = false
      }
    })
  }
  /** Messages of the open room that were counted. */
  let shown = 0

  function showRoom(): void {
    void people?.leave()
    here = open(roomInAddress())
    people = new People(here.room, client, self, {
      bar: find('people'),
      faces: find('faces'),
      word: find('people-word'),
      typing: find('typing'),
    })
    here.unread = 0
    shown = here.tally.received
    for (const conversation of conversations.values()) conversation.element.hidden = conversation !== here
    show('title', here.room)
    document.title = `${here.room} · rt chat`
    closeMenu()
    toEnd()
    refresh()
  }

  // ── What is done ───────────────────────────────────────────────────────────────────────────────────────────────

  const input = find<HTMLTextAreaElement>('text')
  const composer = find<HTMLFormElement>('composer')

  const resize = () => {
    input.style.height = 'auto'
    input.style.height = `${Math.min(input.scrollHeight, 180)}px`
  }

  input.addEventListener('input', () => {
    resize()
    if (input.value.trim() === '') people?.stopped()
    else people?.typed()
  })
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    composer.requestSubmit()
  })
  composer.addEventListener('submit', (event) => {
    event.preventDefault()
    const text = input.value.trim()
    if (text === '') return
    input.value = ''
    resize()
    people?.stopped()
    here.send(text)
    toEnd()
  })
  find('burst').addEventListener('click', () => {
    for (let n = 1; n <= 20; n++) here.send(`${n} of 20`)
    toEnd()
  })
  find('leave').addEventListener('click', async () => {
    // Else the others see us go when the server does.
    if (client.status === 'connected') await people?.leave()
    client.close()
    forgetVisitor()
    location.reload()
  })

  const app = find('app')
  const setMenu = (open: boolean) => {
    app.classList.toggle('open', open)
    find('menu').setAttribute('aria-expanded', String(open))
  }
  function closeMenu(): void {
    setMenu(false)
  }
  find('menu').addEventListener('click', () => setMenu(!app.classList.contains('open')))
  find('veil').addEventListener('click', closeMenu)
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') closeMenu()
  })

  for (const room of rooms) open(room)
  addEventListener('hashchange', showRoom)
  show('my-name', name)
  paintAvatar(find('my-avatar'), self ?? name)
  app.inert = false
  showRoom()
  if (matchMedia('(hover: hover)').matches) input.focus()
}

/** Any name after `#` is a room. */
function roomInAddress(): string {
  let room = ''
  try {
    room = decodeURIComponent(location.hash.slice(1))
  } catch {}
  return /^[\p{L}\p{N}_-]{1,40}$/u.test(room) ? room : (rooms[0] as string)
}

/** Asks the node behind this page for its name and ours. */
async function whoAnswers(token: string): Promise<string | null> {
  try {
    const response = await fetch('/node', { headers: { authorization: `Bearer ${token}` } })
    const { node, pid, you } = (await response.json()) as { node: string; pid: number; you: string | null }
    show('node', `node ${node} · process ${pid}`)
    return you
  } catch {
    // It went away meanwhile; the next connection asks again.
    return null
  }
}

function showConnection(client: Client<Realtime>, token: string): void {
  const buttons = document.querySelectorAll<HTMLButtonElement>('[data-rung]')
  let cuts = 0

  const status = (now: Status) => {
    find('status').dataset['status'] = now
    show('status-text', statusNames[now].text)
    find('status-icon').setAttribute('href', `#icon-${statusNames[now].icon}`)
    if (now === 'connected') void whoAnswers(token)
    if (now === 'reconnecting') show('cuts', String(++cuts))
  }
  const transport = (rung: TransportName | null) => {
    show('transport', rung === null ? 'none' : rungNames[rung])
    find('transport-icon').setAttribute('href', `#icon-${rung ?? 'none'}`)
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset['rung'] === rung))
  }
  client.on('status', status)
  client.on('transport', transport)
  client.on('error', (error) => {
    find('status').title = error.message
  })
  status(client.status)
  transport(client.transport)

  for (const button of buttons) {
    button.addEventListener('click', async () => {
      button.setAttribute('aria-busy', 'true')
      try {
        await client.switchTo(button.dataset['rung'] as TransportName)
      } catch (error) {
        button.title = error instanceof Error ? error.message : String(error)
      }
      button.removeAttribute('aria-busy')
    })
  }
  find('cut').addEventListener('click', () => client.reconnect())
}

const trips: number[] = []

function showTrip(milliseconds: number): void {
  const written = (ms: number) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  trips.push(milliseconds)
  if (trips.length > 25) trips.shift()
  const sorted = trips.toSorted((a, b) => a - b)
  show('trip', written(milliseconds))
  show('median', written(sorted[Math.floor(sorted.length / 2)] ?? milliseconds))
}
