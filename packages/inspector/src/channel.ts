/** The open channel: its tail, its members, and a box to publish into it. Made by page.ts for one channel at a time. */
import type { Client, Message } from '@rt/client'
import { element, find, show } from './element'
import { timeOfDay } from './words'

/** Publications that the tail begins with, and that it keeps. */
const FIRST = 50
const KEPT = 200
/** Characters of one publication that are shown. */
const LONGEST = 2000
const MEMBERS = 100

/** Shows a channel; returns the way to leave it. */
export function openChannel(client: Client, name: string): () => void {
  const leave = new AbortController()
  const { signal } = leave
  const channel = client.channel(name)
  const tail = find('#tail')
  const form = find<HTMLFormElement>('#publish')
  const box = find<HTMLTextAreaElement>('#payload')
  const outcome = find('#outcome')
  show(find('#channel-name'), name)
  tail.replaceChildren()
  show(find('#tail-state'), 'Opening …')
  show(find('#members-state'), '')
  find('#members').replaceChildren()
  say('', '')

  const add = (line: HTMLElement) => {
    tail.prepend(line)
    while (tail.children.length > KEPT) tail.lastElementChild?.remove()
  }
  const offs = [
    channel.on('subscribed', () => show(find('#tail-state'), '')),
    channel.on('gap', ({ reason }) => add(element('li', 'gap', `Publications may be missing here (${reason}).`))),
    channel.on('error', ({ code, message }) => show(find('#tail-state'), `${code}: ${message}`)),
  ]
  signal.addEventListener('abort', () => {
    for (const off of offs) off()
  })
  channel.subscribe((message) => add(lineOf(message)), { last: FIRST, signal })

  channel.presence.get().then(showMembers, ({ code, message }) => {
    if (signal.aborted) return
    show(find('#members-state'), code === 'unsupported' ? 'This channel has no presence.' : `${code}: ${message}`)
  })

  function showMembers(): void {
    if (signal.aborted) return
    channel.presence.subscribe(
      ({ members, known }) => {
        show(find('#members-state'), `${members.length} here${known ? '' : ', as far as can be told now'}`)
        find('#members').replaceChildren(
          ...members
            .slice(0, MEMBERS)
            .map(({ id, state }) => element('li', '', element('b', '', id), element('code', '', textOf(state)))),
          ...(members.length > MEMBERS ? [element('li', 'more', `and ${members.length - MEMBERS} more`)] : []),
        )
      },
      { signal },
    )
  }

  function say(state: '' | 'good' | 'bad', ...lines: string[]): void {
    // Another channel is open by now.
    if (signal.aborted) return
    outcome.dataset['state'] = state
    outcome.replaceChildren(...lines.map((line) => element('p', '', line)))
  }

  form.addEventListener(
    'submit',
    async (event) => {
      event.preventDefault()
      let data: unknown
      try {
        data = JSON.parse(box.value)
      } catch (error) {
        return say('bad', `This is no JSON: ${(error as Error).message}`)
      }
      const button = find<HTMLButtonElement>('#publish button')
      button.disabled = true
      try {
        const { id } = await channel.publish(data)
        say('good', id === null ? 'Sent.' : `Stored as ${id}.`)
      } catch (thrown) {
        const { code, message, issues = [] } = thrown as { code: string; message: string; issues?: readonly Issue[] }
        say('bad', `${code}: ${message}`, ...issues.map(issueText))
      }
      button.disabled = false
    },
    { signal },
  )

  return () => leave.abort()
}

interface Issue {
  readonly message: string
  readonly path?: readonly (string | number)[]
}

function issueText({ message, path = [] }: Issue): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`
}

function lineOf({ time, id, from, data }: Message): HTMLElement {
  const stamp = element('time', '', timeOfDay(time))
  stamp.title = id ?? 'live: not stored'
  return element(
    'li',
    '',
    stamp,
    element('b', from === null ? 'server' : '', from ?? 'server'),
    element('code', '', textOf(data)),
  )
}

function textOf(data: unknown): string {
  const text =
    data instanceof Uint8Array
      ? `${data.length} bytes: ${Array.from(data.subarray(0, 64), (byte) => byte.toString(16).padStart(2, '0')).join(' ')}`
      : (JSON.stringify(data) ?? String(data))
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} … (${text.length} characters)` : text
}
