// The recipes of docs/guides/authentication.md as they stand there: tokens and cookies by the libraries that make them, good ones and each kind of bad one.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encode, type JWT } from '@auth/core/jwt'
import { type Client, type ClientOptions, createClient } from '@rt/client'
import type { Realtime } from '@rt/server'
import { SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import { typescriptOf } from '../docs/blocks.ts'

const guide = typescriptOf('docs/guides/authentication.md')
/** Inside of this package, so that the libraries are found as its dependencies. */
const folder = mkdtempSync(join(fileURLToPath(new URL('../..', import.meta.url)), '.recipes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A block of the guide as a module. */
function load(file: string, name = file, change = (code: string) => code) {
  writeFileSync(join(folder, name), change(guide.get(file) as string))
  return import(/* @vite-ignore */ join(folder, name))
}

const transports = ['websocket', 'sse'] as const
const ISSUER = 'https://login.example.com'
const AUDIENCE = 'https://app.example.com/rt'

const undo: (() => unknown)[] = []
const clients: Client[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})
afterAll(async () => {
  for (const run of undo.splice(0)) await run()
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
})

/** Serves the `rt` of a recipe; the app's own routes by `answer`. */
async function serve(
  rt: Realtime,
  answer = (_path: string): Promise<string> => Promise.reject(new Error('No routes.')),
) {
  const server = createServer(async ({ url = '' }, response) => void response.end(await answer(url)))
  rt.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  undo.push(
    () => rt.close(),
    () => server.close(),
    () => server.closeAllConnections(),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What the inbox of ada says to this client: `in` once it is heard, or the code of the error. */
function knock(url: string, options: ClientOptions): Promise<string> {
  const client = createClient(`${url}/rt`, options)
  clients.push(client)
  return outcome(client)
}

function outcome(client: Client): Promise<string> {
  return new Promise((resolve) => {
    const channel = client.channel('inbox:ada')
    channel.on('subscribed', () => resolve('in'))
    channel.on('error', ({ code }) => resolve(code))
    client.on('error', ({ code }) => resolve(code))
    channel.subscribe(() => {})
  })
}

describe('a JWT by jose', () => {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { privateKey, publicKey } = pair()
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }))
  let url = ''
  let rt: Realtime
  let issue: (user: string, life?: string) => Promise<string>
  /** Tokens that the route gave away. */
  let given = 0

  beforeAll(async () => {
    vi.stubEnv('TOKEN_PUBLIC_KEY', pem)
    vi.stubEnv('TOKEN_PRIVATE_KEY', String(privateKey.export({ type: 'pkcs8', format: 'pem' })))
    ;({ issue } = await load('issue.ts'))
    ;({ rt } = await load('jwt.ts'))
    url = await serve(rt, (path) => {
      if (path !== '/token') throw new Error(`There is no ${path}.`)
      given++
      return issue('ada', '3s')
    })
  })

  interface Claims {
    issuer?: string
    audience?: string
    subject?: string
    expires?: string
    issued?: string
  }
  /** A token as the guide makes it, but for what is said. */
  const claims = <T extends SignJWT | UnsecuredJWT>(jwt: T, changes: Claims): T => {
    const { issuer = ISSUER, audience = AUDIENCE, subject = 'ada', expires = '5m', issued = '0s' } = changes
    jwt.setIssuer(issuer).setAudience(audience).setSubject(subject).setIssuedAt(issued).setExpirationTime(expires)
    return jwt
  }
  const signed = (changes: Claims, alg = 'ES256', key: KeyObject | Uint8Array = privateKey) =>
    claims(new SignJWT(), changes).setProtectedHeader({ alg }).sign(key)
  const withoutClaim = (claim: 'sub' | 'iat' | 'exp') => {
    const now = Math.floor(Date.now() / 1000)
    const { [claim]: _, ...payload } = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', iat: now, exp: now + 300 }
    return new SignJWT(payload).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
  }

  const tokens: Record<string, readonly [make: () => string | Promise<string>, expected: string]> = {
    'of the guide': [() => issue('ada'), 'in'],
    'that a test makes the same way': [() => signed({}), 'in'],
    'of somebody else': [() => issue('bob'), 'forbidden'],
    'by another key': [() => signed({}, 'ES256', pair().privateKey), 'unauthenticated'],
    'by no algorithm': [() => claims(new UnsecuredJWT(), {}).encode(), 'unauthenticated'],
    'by HS256 and the public key': [() => signed({}, 'HS256', Buffer.from(pem)), 'unauthenticated'],
    'for another audience': [() => signed({ audience: 'https://app.example.com/api' }), 'unauthenticated'],
    'of another issuer': [() => signed({ issuer: 'https://login.example.org' }), 'unauthenticated'],
    'that ended': [() => signed({ issued: '10m ago', expires: '5m ago' }), 'unauthenticated'],
    'without an end': [() => withoutClaim('exp'), 'unauthenticated'],
    'without a time of issue': [() => withoutClaim('iat'), 'unauthenticated'],
    'without a subject': [() => withoutClaim('sub'), 'unauthenticated'],
    'that is no JWT': [() => 'ada', 'unauthenticated'],
  }

  describe.each(transports)('over %s', (transport) => {
    it.each(Object.entries(tokens))('a token %s', async (_name, [make, expected]) => {
      expect(await knock(url, { transports: [transport], token: await make() })).toBe(expected)
    })

    it("the client of the guide fetches a fresh token before each one's end, and hears everything", async () => {
      vi.stubGlobal('fetch', pageOf(url))
      const { client } = await load('client.ts', `client-${transport}.ts`, (code) => {
        const changed = code.replace(`'${AUDIENCE}', {`, `'${url}/rt', {\n  transports: ['${transport}'],`)
        expect(changed).not.toBe(code)
        return changed
      })
      clients.push(client)
      const heard: string[] = []
      const errors: string[] = []
      client.channel('inbox:ada').subscribe(({ data }: { data: { text: string } }) => void heard.push(data.text))
      client.on('error', ({ code }: { code: string }) => void errors.push(code))
      expect(await outcome(client)).toBe('in')
      const statuses: string[] = []
      client.on('status', (status: string) => void statuses.push(status))
      const first = given
      const published: string[] = []
      while (given < first + 3) {
        published.push(String(published.length))
        await rt.publish('inbox:ada', { text: published.at(-1) as string })
        await expect.poll(() => heard.at(-1), { timeout: 20_000 }).toBe(published.at(-1))
      }
      expect(heard).toEqual(published)
      expect({ errors, statuses }).toEqual({ errors: [], statuses: [] })
    }, 30_000)
  })
})

/** `fetch` as a page of that server has it: with paths. */
const pageOf = (page: string): typeof fetch => {
  const { fetch } = globalThis
  return (input, init) => fetch(typeof input === 'string' ? new URL(input, page) : input, init)
}

describe('the session of Auth.js', () => {
  const secret = 'the secret of the app'
  const NAME = 'authjs.session-token'
  let url = ''
  let rt: Realtime
  let jwt: (event: { token: JWT; user?: object }) => JWT

  beforeAll(async () => {
    vi.stubEnv('AUTH_SECRET', secret)
    ;({ rt } = await load('authjs.ts'))
    ;({ jwt } = (await load('callbacks.ts')).callbacks)
    url = await serve(rt)
  })

  const login = (sub = 'ada'): JWT => jwt({ token: { sub }, user: { id: sub } })
  const cookie = async (token: JWT, changes: { secret?: string; salt?: string; maxAge?: number } = {}) =>
    `${NAME}=${await encode({ token, secret, salt: NAME, ...changes })}`
  /** A cookie that is too long for browsers comes in pieces. */
  const inPieces = async () => {
    const [, value = ''] = (await cookie({ ...login(), picture: 'x'.repeat(5000) })).split('=')
    return `${NAME}.0=${value.slice(0, 3900)}; ${NAME}.1=${value.slice(3900)}`
  }
  const options = (transport: (typeof transports)[number], value: string): ClientOptions => ({
    transports: [transport],
    headers: { cookie: value },
    WebSocket: class extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol, { headers: { cookie: value } })
      }
    } as never,
  })

  const cookies: Record<string, readonly [make: () => string | Promise<string>, expected: string]> = {
    'of a session': [() => cookie(login()), 'in'],
    'in pieces': [inPieces, 'in'],
    'among others': [async () => `theme=dark; ${await cookie(login())}; lang=en`, 'in'],
    'of somebody else': [() => cookie(login('bob')), 'forbidden'],
    'by another secret': [() => cookie(login(), { secret: 'another one' }), 'unauthenticated'],
    'made for another purpose': [() => cookie(login(), { salt: 'authjs.csrf-token' }), 'unauthenticated'],
    // Auth.js lets a session live 15 s longer; rt does not.
    'that ended just now': [() => cookie(login(), { maxAge: -5 }), 'token_expired'],
    'that ended': [() => cookie(login(), { maxAge: -60 }), 'unauthenticated'],
    'without a begin': [() => cookie({ sub: 'ada' }), 'unauthenticated'],
    'that is no JWT': [() => `${NAME}=ada`, 'unauthenticated'],
    'of something else': [() => 'theme=dark', 'unauthenticated'],
  }

  describe.each(transports)('over %s', (transport) => {
    it.each(Object.entries(cookies))('a cookie %s', async (_name, [make, expected]) => {
      expect(await knock(url, options(transport, await make()))).toBe(expected)
    })

    it('a revoked session is not back when Auth.js prolongs its cookie; another login is let in', async () => {
      const session = login()
      expect(await knock(url, options(transport, await cookie(session)))).toBe('in')
      await rt.revoke('ada')
      expect(await knock(url, options(transport, await cookie(jwt({ token: session }))))).toBe('unauthenticated')
      expect(await knock(url, options(transport, await cookie(login())))).toBe('in')
    })
  })
})
