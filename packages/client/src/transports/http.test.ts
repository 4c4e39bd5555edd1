import { describe, expect, it } from 'vitest'
import type { Closed } from '../ports/transport'
import { createPost, type Endpoint, openCommand, refusal, requestStream, streamQuery, withQuery } from './http'

const json = (status: number, body: unknown, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })

/** An endpoint that answers with this and keeps what it was asked. */
function endpoint(answer: () => Response) {
  const asked: Request[] = []
  const made: Endpoint = {
    url: new URL('http://test/rt?tenant=1'),
    headers: { 'X-App': 'yes' },
    fetch: async (input, init) => {
      asked.push(new Request(input, init))
      return answer()
    },
  }
  return { made, asked }
}

describe('the query of a stream', () => {
  it('names channels; without a cursor nothing needs to be called new', () => {
    const channels = [
      { channel: 'a', new: true },
      { channel: 'b:%+', new: true },
    ]
    expect(streamQuery({ channels, cursor: undefined }, '')).toBe('?channels=a,b%3A%25%2B')
  })

  it('names the cursor, what is new, and how many publications for each', () => {
    const channels = [{ channel: 'a' }, { channel: 'b', new: true, last: 50 }]
    expect(streamQuery({ channels, cursor: '1.1' }, 'wait=25&')).toBe(
      '?wait=25&channels=a,b&last=0,50&cursor=1.1&new=b',
    )
  })

  it('names what is watched, from where, and what this client has entered', () => {
    const watch = [{ channel: 'a', since: '1-0_2-0_1' }, { channel: 'b:%' }]
    expect(streamQuery({ channels: [], cursor: undefined, watch, client: 'me', entered: ['c', 'd:%'] }, '')).toBe(
      '?channels=&watch=a,b%3A%25&since=1-0_2-0_1,&client=me&entered=c,d%3A%25',
    )
    expect(streamQuery({ channels: [], cursor: 'c', watch: [{ channel: 'a' }], entered: [] }, '')).toBe(
      '?channels=&cursor=c&watch=a',
    )
  })

  it('is none when it is too long for a URL', () => {
    const channels = Array.from({ length: 100 }, (_, i) => ({ channel: `${'x'.repeat(50)}${i}`, new: true }))
    expect(streamQuery({ channels, cursor: undefined }, '')).toBeNull()
  })

  it('goes behind the query that the URL has', () => {
    expect(withQuery(new URL('http://test/rt?tenant=1'), '?channels=a').search).toBe('?tenant=1&channels=a')
  })
})

describe('asking', () => {
  it('shows the token in a header, never in the URL', async () => {
    const { made, asked } = endpoint(() => json(200, []))
    const request = { channels: [{ channel: 'a', new: true }], cursor: undefined }
    await requestStream(made, request, 'secret', { accept: 'text/event-stream', signal: new AbortController().signal })
    const [get] = asked
    expect([get?.method, get?.url]).toEqual(['GET', 'http://test/rt?tenant=1&channels=a'])
    expect(get?.headers.get('authorization')).toBe('Bearer secret')
    expect(get?.headers.get('x-app')).toBe('yes')
  })

  it('goes by POST, with the same in its body, where a GET would be held back', async () => {
    const { made, asked } = endpoint(() => json(200, []))
    const channels = [{ channel: 'a', new: true }]
    const signal = new AbortController().signal
    await requestStream(made, { channels, cursor: 'c' }, undefined, { accept: 'text/event-stream', post: true, signal })
    const [post] = asked
    expect([post?.method, post?.url]).toEqual(['POST', 'http://test/rt?tenant=1&'])
    expect(await post?.json()).toEqual({ type: 'open', channels, cursor: 'c' })
  })

  it('sends a long list as an open command', async () => {
    const { made, asked } = endpoint(() => json(200, []))
    const channels = Array.from({ length: 100 }, (_, i) => ({ channel: `${'x'.repeat(50)}${i}`, new: true }))
    const signal = new AbortController().signal
    await requestStream(made, { channels, cursor: 'c' }, undefined, {
      accept: 'application/json',
      extra: 'wait=25&',
      signal,
    })
    const [post] = asked
    expect([post?.method, post?.url]).toEqual(['POST', 'http://test/rt?tenant=1&wait=25&'])
    expect(await post?.json()).toEqual({ type: 'open', channels, cursor: 'c' })
  })
})

it('an open command says the same as the query', () => {
  const request = {
    channels: [],
    cursor: undefined,
    watch: [{ channel: 'a', since: 's' }],
    client: 'me',
    entered: ['b'],
  }
  expect(JSON.parse(openCommand(request, 't'))).toEqual({
    type: 'open',
    channels: [],
    watch: [{ channel: 'a', since: 's' }],
    client: 'me',
    entered: ['b'],
    token: 't',
  })
})

describe('a refusal', () => {
  it('is what our server said', async () => {
    const { error } = await refusal(
      json(429, { error: { code: 'rate_limited', message: 'Slow.' } }, { 'retry-after': '3' }),
    )
    expect(error).toMatchObject({ code: 'rate_limited', message: 'Slow.', retryable: true, retryAfter: 3000 })
  })

  it('of anybody else is no error of ours, whatever it says', async () => {
    const html = new Response('<html>', { status: 502, headers: { 'content-type': 'text/html' } })
    expect(await refusal(html)).toEqual({ error: null, status: 502 })
    const cut = new ReadableStream({ start: (controller) => controller.error(new Error('cut')) })
    expect(await refusal(new Response(cut, { status: 502 }))).toEqual({ error: null, status: 502 })
    for (const body of [null, [], { error: 'no' }, { error: { message: 'x' } }, 'text']) {
      expect((await refusal(json(500, body))).error).toBeNull()
    }
  })
})

describe('the POST of commands', () => {
  it('resolves with the results', async () => {
    const results = [{ type: 'result', ref: 1, value: null }]
    const { made, asked } = endpoint(() => json(200, results))
    await expect(createPost(made)('[…]', 't', new AbortController().signal)).resolves.toEqual(results)
    expect(asked[0]?.headers.get('content-type')).toBe('application/json')
    expect(await asked[0]?.text()).toBe('[…]')
  })

  it('rejects with the reason: refused, answered by somebody else, or no answer', async () => {
    const post = (answer: () => Response) =>
      createPost(endpoint(answer).made)('[]', undefined, new AbortController().signal).then(
        () => null,
        (reason: Closed) => [reason.error?.code ?? null, reason.status],
      )
    expect(await post(() => json(503, { error: { code: 'draining', message: '' } }))).toEqual(['draining', 503])
    expect(await post(() => new Response('<html>', { headers: { 'content-type': 'text/html' } }))).toEqual([null, 200])
    expect((await post(() => json(200, { a: 1 })))?.[0]).toBeNull()
    expect((await post(() => json(200, [null])))?.[0]).toBeNull()
    expect(
      (
        await post(() => {
          throw new TypeError('fetch failed')
        })
      )?.[0],
    ).toBeNull()
  })
})
