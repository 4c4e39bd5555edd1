import type { PollBody, ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import type { Closed } from '../ports/transport'
import { polling } from './polling'

/** A poll that waits for its answer. */
interface Poll {
  readonly url: URL
  readonly etag: string | null
  readonly signal: AbortSignal
  answer(body: Partial<PollBody>, etag?: string): Promise<void>
  respond(response: Response): Promise<void>
  fail(): Promise<void>
}

function setUp(rung: 'long-poll' | 'poll', pause = 0) {
  const clock = new FakeClock()
  const polls: Poll[] = []
  const events: ServerEvent[] = []
  const quiet: (number | undefined)[] = []
  const closed: Closed[] = []
  let channels = ['a']
  const more: { entered?: string[] } = {}
  const transport = polling(
    rung,
    {
      url: new URL('http://test/rt'),
      headers: {},
      fetch: (input, init) =>
        new Promise((resolve, reject) => {
          const { url, headers, signal } = new Request(input, init)
          const settled = () => clock.advanceAsync(0)
          init?.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')))
          polls.push({
            url: new URL(url),
            etag: headers.get('if-none-match'),
            signal: init?.signal ?? signal,
            async answer(body, etag) {
              const full = { events: [], cursor: 'c', next: 0, ...body }
              const answerHeaders = { 'content-type': 'application/json', ...(etag !== undefined && { etag }) }
              await this.respond(new Response(JSON.stringify(full), { headers: answerHeaders }))
            },
            async respond(response) {
              const seen = () => quiet.length + closed.length + polls.length + clock.pending
              const before = seen()
              resolve(response)
              // A body is read in turns of the real event loop; each answer ends in one of the four.
              while (seen() === before) await new Promise(setImmediate)
              await settled()
            },
            async fail() {
              reject(new TypeError('fetch failed'))
              await settled()
            },
          })
        }),
    },
    clock,
  )
  const open = async () => {
    const link = transport.open(
      {
        request: () => ({ channels: channels.map((channel) => ({ channel, new: true })), cursor: undefined, ...more }),
        token: () => undefined,
        pause: () => pause,
      },
      {
        events: (more) => events.push(...more),
        alive: (ms) => quiet.push(ms),
        closed: (reason) => closed.push(reason),
      },
    )
    await clock.advanceAsync(0)
    return link
  }
  return {
    clock,
    closed,
    events,
    more,
    open,
    polls,
    quiet,
    last: () => polls.at(-1) as Poll,
    statuses: () => events.flatMap((event) => (event.type === 'status' ? event.broker : [])),
    want: (...names: string[]) => {
      channels = names
    },
  }
}

const wait = (poll: Poll) => poll.url.searchParams.get('wait')

it('without channels polls all the same where members are watched or something was entered', async () => {
  const { open, polls, want, more } = setUp('poll')
  want()
  await open()
  expect(polls).toHaveLength(0)
  more.entered = ['b']
  await open()
  expect(polls.map(({ url }) => url.search)).toEqual(['?channels=&entered=b'])
})

describe('a short poll', () => {
  it('asks at once for the rest of what was too much for one answer, and no more when nothing is left', async () => {
    const { clock, open, polls, last } = setUp('poll')
    await open()
    await last().answer({ next: 0 }, '"c"')
    await clock.advanceAsync(0)
    expect(polls).toHaveLength(2)
    await last().respond(new Response(null, { status: 304 }))
    await clock.advanceAsync(4999)
    expect(polls).toHaveLength(2)
    await clock.advanceAsync(1)
    expect(polls).toHaveLength(3)
  })

  it('comes back later than the server says where nobody looks', async () => {
    const { clock, open, polls } = setUp('poll', 60_000)
    await open()
    await polls[0]?.answer({ next: 5000 })
    await clock.advanceAsync(59_999)
    expect(polls).toHaveLength(1)
    await clock.advanceAsync(1)
    expect(polls).toHaveLength(2)
  })

  it('says hello and the cursor around what the answer holds, and comes back when told', async () => {
    const { clock, events, last, open, polls, quiet } = setUp('poll')
    await open()
    expect(wait(last())).toBeNull()
    await last().answer({ events: [{ type: 'beat' }], cursor: 'c1', next: 5000 })
    expect(events.map(({ type }) => type)).toEqual(['hello', 'beat', 'cursor'])
    expect(quiet).toEqual([5000])
    await clock.advanceAsync(4999)
    expect(polls).toHaveLength(1)
    await clock.advanceAsync(1)
    expect(polls).toHaveLength(2)
  })

  it('asks whether something changed, and keeps its pace when not', async () => {
    const { clock, events, last, open, polls } = setUp('poll')
    await open()
    await last().answer({ next: 2000 }, '"c"')
    await clock.advanceAsync(2000)
    expect(last().etag).toBe('"c"')
    const before = events.length
    await last().respond(new Response(null, { status: 304 }))
    expect(events).toHaveLength(before)
    await clock.advanceAsync(2000)
    expect(polls).toHaveLength(3)
  })

  it('takes an answer that says nothing about the broker for a good sign, for each may be of another node', async () => {
    const { open, last, clock, statuses } = setUp('poll')
    const degraded: ServerEvent = { type: 'status', broker: 'degraded' }
    await open()
    await last().answer({ events: [degraded] }, '"c"')
    await clock.advanceAsync(0)
    await last().answer({ events: [degraded] }, '"c"')
    await clock.advanceAsync(0)
    await last().answer({}, '"c"')
    await clock.advanceAsync(0)
    await last().answer({ events: [degraded] }, '"c"')
    await clock.advanceAsync(0)
    await last().respond(new Response(null, { status: 304 }))
    expect(statuses()).toEqual(['degraded', 'degraded', 'ok', 'degraded', 'ok'])
  })

  it('asks at once, and for everything, when the channels changed', async () => {
    const { last, open, want } = setUp('poll')
    const link = await open()
    await last().answer({ next: 5000 }, '"c"')
    want('a', 'b')
    link.refresh?.()
    expect(last().url.searchParams.get('channels')).toBe('a,b')
    expect(last().etag).toBeNull()
  })

  it('asks nothing while no channel is wanted', async () => {
    const { clock, last, open, polls, quiet, want } = setUp('poll')
    const link = await open()
    await last().answer({ next: 1000 })
    want()
    link.refresh?.()
    await clock.advanceAsync(60_000)
    expect(polls).toHaveLength(1)
    expect(quiet.at(-1)).toBe(Number.POSITIVE_INFINITY)
    want('b')
    link.refresh?.()
    expect(polls).toHaveLength(2)
  })
})

describe('a long poll', () => {
  it('is not held at first, then up to 25 s, one behind the other', async () => {
    const { clock, last, open, polls } = setUp('long-poll')
    await open()
    expect(wait(last())).toBeNull()
    await last().answer({ next: 5000 })
    expect(polls.map(wait)).toEqual([null, '25'])
    await clock.advanceAsync(3000)
    await last().answer({ events: [{ type: 'beat' }] })
    expect(polls.map(wait)).toEqual([null, '25', '25'])
  })

  it('halves the hold when something on the way does not wait so long, then leaves it to the next rung', async () => {
    const { clock, closed, last, open, polls } = setUp('long-poll')
    await open()
    await last().answer({})
    await last().respond(new Response('<html>', { status: 504, headers: { 'content-type': 'text/html' } }))
    await clock.advanceAsync(11_000)
    await last().fail()
    expect(polls.map(wait)).toEqual([null, '25', '12', '6'])
    await clock.advanceAsync(5000)
    await last().fail()
    expect(closed).toHaveLength(1)
  })

  it('ends when it fails at once, and once more: nobody held it', async () => {
    const { closed, last, open } = setUp('long-poll')
    await open()
    await last().answer({})
    await last().fail()
    expect(closed).toEqual([])
    await last().fail()
    expect(closed).toHaveLength(1)
  })

  it('does not ask in a circle when empty answers come at once', async () => {
    const { clock, last, open, polls } = setUp('long-poll')
    await open()
    await last().answer({})
    await last().answer({})
    expect(polls).toHaveLength(2)
    await clock.advanceAsync(1000)
    expect(polls).toHaveLength(3)
  })
})

describe.each(['poll', 'long-poll'] as const)('%s', (rung) => {
  it('ends with what the server said', async () => {
    const { closed, last, open } = setUp(rung)
    await open()
    const body = JSON.stringify({ error: { code: 'forbidden', message: 'No.' } })
    await last().respond(new Response(body, { status: 403, headers: { 'content-type': 'application/json' } }))
    expect(closed).toMatchObject([{ error: { code: 'forbidden' }, status: 403 }])
  })

  it('asks once more, and with the same patience the next time, when its connection is gone', async () => {
    const { clock, closed, last, open, polls } = setUp(rung)
    await open()
    for (let i = 0; i < 3; i++) {
      await last().answer({ events: [{ type: 'beat' }], next: 100 })
      await clock.advanceAsync(100)
      const before = polls.length
      await last().fail()
      expect(polls).toHaveLength(before + 1)
    }
    expect(closed).toEqual([])
    await last().fail()
    expect(closed).toHaveLength(1)
  })

  it('ends when its first poll does not come through', async () => {
    const { closed, last, open } = setUp(rung)
    await open()
    await last().fail()
    expect(closed).toHaveLength(1)
  })

  it('goes to the next node when one is about to go, and ends when there is none for a while', async () => {
    const draining = () =>
      new Response(JSON.stringify({ error: { code: 'draining', message: 'Bye.' } }), {
        status: 503,
        headers: { 'content-type': 'application/json', 'retry-after': '0' },
      })
    const { clock, closed, last, open, polls } = setUp(rung)
    await open()
    await last().answer({})
    await clock.advanceAsync(0)
    for (const refusals of [3, 5]) {
      for (let i = 1; i <= refusals; i++) {
        const before = polls.length
        await last().respond(draining())
        await clock.advanceAsync(2000)
        expect(polls).toHaveLength(before + 1)
      }
      if (refusals < 5) await last().answer({ events: [{ type: 'beat' }], next: 100 })
      await clock.advanceAsync(100)
    }
    expect(closed).toEqual([])
    await last().respond(draining())
    expect(closed).toMatchObject([{ error: { code: 'draining' } }])
  })

  it('ends when its first poll comes to a node that is about to go', async () => {
    const { closed, last, open } = setUp(rung)
    await open()
    const body = JSON.stringify({ error: { code: 'draining', message: 'Bye.' } })
    await last().respond(new Response(body, { status: 503, headers: { 'content-type': 'application/json' } }))
    expect(closed).toMatchObject([{ error: { code: 'draining' } }])
  })

  it('ends when somebody else answers', async () => {
    for (const response of [
      new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      new Response('{"login":true}', { headers: { 'content-type': 'application/json' } }),
    ]) {
      const { closed, last, open } = setUp(rung)
      await open()
      await last().respond(response)
      expect(closed).toMatchObject([{ error: null }])
    }
  })

  it('leaves no request and no timer behind when it is closed', async () => {
    const { clock, closed, last, open, polls } = setUp(rung)
    const first = await open()
    first.close()
    expect(last().signal.aborted).toBe(true)
    const second = await open()
    await last().answer({ next: 1000 })
    second.close()
    await clock.advanceAsync(60_000)
    expect(clock.pending).toBe(0)
    expect(polls.length).toBeLessThanOrEqual(3)
    expect(closed).toEqual([])
  })
})
