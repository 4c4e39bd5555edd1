/** Who is in the room that is looked at: their avatars, who types, who came or went last, and that we are there too. Made by page.ts at each change of room. */
import type { Client, PresenceChangeOf, PresenceList, PresenceOf } from '@rt/client'
import type { Realtime } from '../server'
import { nameOf, paintAvatar } from './visitor'

type State = PresenceOf<Realtime, `chat:${string}`>

/** Where on the page it is shown. */
export interface PeoplePlaces {
  readonly bar: HTMLElement
  readonly faces: HTMLElement
  readonly word: HTMLElement
  readonly typing: HTMLElement
}

/** Milliseconds after the last key in which we count as typing. */
const TYPES_FOR = 2000
/** Milliseconds for which it is said who came or went. */
const NEWS_FOR = 4000

export class People {
  readonly #presence
  readonly #self: string | null
  readonly #places: PeoplePlaces
  readonly #faces = new Map<string, HTMLElement>()
  readonly #off: () => void
  #list: PresenceList<State>
  #news = ''
  #newsTimer: ReturnType<typeof setTimeout> | undefined
  /** Runs while we type. */
  #typingTimer: ReturnType<typeof setTimeout> | undefined

  /** `self`: our identity id. */
  constructor(room: string, client: Client<Realtime>, self: string | null, places: PeoplePlaces) {
    this.#self = self
    this.#places = places
    this.#presence = client.channel(`chat:${room}`).presence
    this.#list = this.#presence.list
    places.faces.replaceChildren()
    this.#show()
    this.#off = this.#presence.subscribe((list, change) => {
      this.#list = list
      if (change !== null) this.#tell(change)
      this.#show()
    })
    // Kept by the client through every reconnect; when the room refuses us, the conversation says so.
    this.#presence.enter({ typing: false }).catch(() => {})
  }

  typed(): void {
    if (this.#typingTimer === undefined) this.#say(true)
    clearTimeout(this.#typingTimer)
    this.#typingTimer = setTimeout(() => this.stopped(), TYPES_FOR)
  }

  stopped(): void {
    if (this.#typingTimer === undefined) return
    clearTimeout(this.#typingTimer)
    this.#typingTimer = undefined
    this.#say(false)
  }

  /** We go, and look no more. */
  async leave(): Promise<void> {
    clearTimeout(this.#typingTimer)
    clearTimeout(this.#newsTimer)
    this.#off()
    await this.#presence.leave().catch(() => {})
  }

  #say(typing: boolean): void {
    this.#presence.update({ typing }).catch(() => {})
  }

  #tell({ action, member }: PresenceChangeOf<State>): void {
    if (action === 'update' || member.id === this.#self) return
    this.#news = `${nameOf(member.id)} ${action === 'enter' ? 'came in' : 'left'}`
    clearTimeout(this.#newsTimer)
    this.#newsTimer = setTimeout(() => {
      this.#news = ''
      this.#show()
    }, NEWS_FOR)
  }

  #show(): void {
    const { bar, faces, word, typing } = this.#places
    const { members, known } = this.#list
    const here = new Set(members.map(({ id }) => id))
    for (const [id, face] of this.#faces) {
      if (here.has(id)) continue
      face.remove()
      this.#faces.delete(id)
    }
    for (const { id, state } of members) {
      let face = this.#faces.get(id)
      if (face === undefined) {
        face = newFace(id)
        this.#faces.set(id, face)
        if (id === this.#self) faces.prepend(face)
        else faces.append(face)
      }
      face.toggleAttribute('data-typing', state.typing)
    }
    const unsure = !known && members.length > 0
    bar.toggleAttribute('data-unknown', unsure)
    bar.title = unsure ? 'Who went meanwhile can’t be told just now.' : ''
    write(word, unsure ? 'not sure who is here' : this.#news || (members.length > 0 ? `${members.length} here` : ''))
    write(typing, typists(members.filter(({ id, state }) => state.typing && id !== this.#self).map(({ id }) => id)))
  }
}

function newFace(id: string): HTMLElement {
  const face = document.createElement('li')
  face.className = 'avatar'
  face.title = nameOf(id)
  face.setAttribute('aria-label', nameOf(id))
  paintAvatar(face, id)
  return face
}

function typists(ids: readonly string[]): string {
  const [first, second] = ids.map(nameOf)
  if (first === undefined) return ''
  if (ids.length > 2) return 'Several people are typing'
  return second === undefined ? `${first} is typing` : `${first} and ${second} are typing`
}

/** Only what changed: both are read aloud. */
function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
