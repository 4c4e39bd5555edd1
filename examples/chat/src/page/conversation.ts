/** One room on the page: what it received, in order, and below it what was sent and is not back yet. Made by page.ts for each room. */
import { type Client, isRealtimeError, type Message, type MessageOf } from '@rt/client'
import type { Realtime } from '../server'
import { Tally } from './tally'
import { nameOf, paintAvatar, randomText } from './visitor'

/** What is told to the page. */
export interface ConversationListener {
  /** A message was received, a gap told, or a counter moved. */
  changed(): void
  /** What was published last is stored after so many milliseconds. */
  answered(milliseconds: number): void
  /** Text that the server refused goes back to where it was written. */
  edit(text: string): void
}

type Received = Message<MessageOf<Realtime, `chat:${string}`>>

/** A message of our own, from the moment it is sent. */
interface Own {
  readonly element: HTMLLIElement
  readonly text: string
  readonly messageId: string
  readonly seq: number
  stored: boolean
}

/** Elements that a room keeps; older ones go. */
const KEPT = 500
/** Milliseconds between two messages of one author that are shown as one group. */
const GROUP = 5 * 60_000

/** This page among the senders. A reload is another one, and numbers anew. */
const page = randomText(6)

const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

export class Conversation {
  readonly room: string
  readonly element = document.createElement('div')
  readonly tally = new Tally()
  /** Messages that came while the room was not looked at. */
  unread = 0
  readonly #log = document.createElement('ol')
  readonly #outbox = document.createElement('ol')
  readonly #channel
  readonly #self: string | null
  readonly #listener: ConversationListener
  readonly #own = new Map<string, Own>()
  #seq = 0
  #last: { readonly from: string; readonly time: number } | null = null
  #live = false

  /** `self`: our identity id. */
  constructor(room: string, client: Client<Realtime>, self: string | null, listener: ConversationListener) {
    this.room = room
    this.#listener = listener
    this.#self = self
    this.element.className = 'room'
    this.element.hidden = true
    this.#log.className = 'log'
    this.#log.setAttribute('role', 'log')
    this.#log.setAttribute('aria-label', `Messages in ${room}`)
    this.#outbox.className = 'outbox'
    this.element.append(this.#log, this.#outbox)

    this.#channel = client.channel(`chat:${room}`)
    this.#channel.subscribe((message) => this.#receive(message), { last: 50 })
    this.#channel.on('gap', () => this.#gap())
    this.#channel.on('error', (error) => this.#note(`This room is closed to you: ${error.message}`))
    this.#channel.on('subscribed', () => {
      this.#live = true
      this.element.dataset['live'] = ''
      this.#listener.changed()
    })
  }

  /** Shows the text at once and publishes it; the client keeps it until it is answered. */
  send(text: string): void {
    // Chosen here, so that we know the message when it comes back, and so that trying again never stores it twice.
    const own: Own = {
      element: this.#item(true),
      text,
      messageId: randomText(16),
      seq: ++this.#seq,
      stored: false,
    }
    this.#own.set(own.messageId, own)
    fill(own.element, text)
    this.#outbox.append(own.element)
    void this.#publish(own)
  }

  async #publish(own: Own): Promise<void> {
    const { text, messageId, seq, element } = own
    mark(element, 'pending', 'Sending …')
    const sent = performance.now()
    try {
      await this.#channel.publish({ text, page, seq }, { messageId })
      own.stored = true
      if (element.dataset['state'] === 'pending') mark(element, 'stored', 'Stored')
      this.#listener.answered(performance.now() - sent)
    } catch (error) {
      // It may be back already: stored, and only the answer was lost.
      if (element.parentElement === this.#outbox) this.#failed(own, error)
    }
  }

  #failed(own: Own, error: unknown): void {
    const { element, text, seq } = own
    const known = isRealtimeError(error) ? error : null
    mark(element, 'failed', `Not sent: ${known?.message ?? String(error)}`)
    const again = document.createElement('button')
    again.type = 'button'
    again.className = 'again'
    if (known?.retryable === false) {
      // Nobody will see this number, so that the next message may have it.
      if (seq === this.#seq) this.#seq--
      again.textContent = 'Edit'
      again.addEventListener('click', () => {
        element.remove()
        this.#listener.edit(text)
      })
    } else {
      again.textContent = 'Try again'
      again.addEventListener('click', () => {
        again.remove()
        void this.#publish(own)
      })
    }
    element.querySelector('.foot')?.append(again)
  }

  #receive(message: Received): void {
    const { data, messageId, time } = message
    const from = message.from ?? 'server'
    this.tally.take(data.page, data.seq)
    const own = this.#own.get(messageId)
    // What a gap had let go came after all: it is shown already.
    if (own === undefined || own.element.parentElement === this.#outbox) {
      const mine = own !== undefined || from === this.#self
      const element = own?.element ?? this.#item(mine)
      if (own === undefined) fill(element, data.text)
      const follows = this.#last !== null && this.#last.from === from && time - this.#last.time < GROUP
      element.classList.toggle('follows', follows)
      this.#last = { from, time }
      if (!mine) {
        paintAvatar(element.querySelector('.avatar') as HTMLElement, from)
        ;(element.querySelector('.author') as HTMLElement).textContent = nameOf(from)
      }
      element.dataset['sender'] = `${data.page}:${data.seq}`
      element.title = `${new Date(time).toLocaleString()}, id ${message.id}`
      mark(element, 'received', `${clockTime.format(time)} · node ${data.node}`)
      this.#append(element)
      if (!mine && this.#live && this.element.hidden) this.unread++
    }
    this.#listener.changed()
  }

  #gap(): void {
    this.tally.gap()
    // What is stored and not back may be among what is missing.
    for (const own of this.#own.values()) {
      if (own.stored && own.element.parentElement === this.#outbox) this.#append(own.element)
    }
    this.#note('Some messages may be missing here.')
    this.#listener.changed()
  }

  #note(text: string): void {
    const note = document.createElement('li')
    note.className = 'note'
    note.textContent = text
    this.#last = null
    this.#append(note)
  }

  #append(element: HTMLLIElement): void {
    this.#log.append(element)
    if (this.#log.childElementCount > KEPT) this.#log.firstElementChild?.remove()
  }

  #item(mine: boolean): HTMLLIElement {
    const item = document.createElement('li')
    item.className = mine ? 'message mine' : 'message'
    if (!mine) item.append(make('span', 'avatar'), make('span', 'author'))
    const foot = make('p', 'foot')
    foot.append(icon('pending'), make('span', 'word'))
    item.append(make('p', 'text'), foot)
    return item
  }
}

function fill(element: HTMLElement, text: string): void {
  ;(element.querySelector('.text') as HTMLElement).textContent = text
}

type State = 'pending' | 'stored' | 'received' | 'failed'

function mark(element: HTMLElement, state: State, word: string): void {
  element.dataset['state'] = state
  ;(element.querySelector('.word') as HTMLElement).textContent = word
  element.querySelector('use')?.setAttribute('href', `#icon-${state === 'received' ? 'stored' : state}`)
}

function make(tag: 'p' | 'span', className: string): HTMLElement {
  const element = document.createElement(tag)
  element.className = className
  return element
}

function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', `#icon-${name}`)
  svg.append(use)
  return svg
}
