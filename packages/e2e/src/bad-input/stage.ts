// A node that is asked what nobody should ask, with two healthy subscribers beside each case; used by the tests of this folder.
import { Agent } from 'node:http'
import { type ErrorBody, type ErrorCode, errorTable, type ServerEvent } from '@rt/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Answer, type Ask, ask, type Events, openSse, openWebSocket, type PlainSocket } from '../plain-client'
import { ServerProcess } from '../server-process'

export const PAGE = 'https://app.example'
export let server: ServerProcess
/** URL of the endpoint. */
export let endpoint = ''
export let host = ''
let rows = 0
let cases = 0

/** Counts one row of a table. */
export function countRow(): void {
  rows++
}

// ── Beside each case: two healthy subscribers, which must go on ──────────────────────────────────────────────────────

const beside = new Map<string, Events>()
const undo: (() => void)[] = []
let published = 0

/** A number that was not used before. */
export const nextNumber = () => ++published

beforeAll(async () => {
  server = await ServerProcess.start({ options: { origins: [PAGE] } })
  endpoint = `${server.origin}/rt`
  host = `127.0.0.1:${server.port}`
  const { ws, events } = await openWebSocket(`${endpoint}?channels=room:healthy`)
  const sse = await openSse(`${endpoint}?channels=room:healthy`)
  beside.set('websocket', events)
  beside.set('sse', sse.events)
  for (const each of beside.values()) await each.next('subscribed')
  undo.push(() => ws.terminate(), sse.close)
})

afterAll(async () => {
  for (const run of undo.splice(0)) run()
  await server.kill()
  console.log(`bad input: ${rows} rows, on the transports that can carry them ${cases} cases`)
})

async function healthy(): Promise<void> {
  const n = ++published
  expect(server.running, server.stderr).toBe(true)
  const [result] = await post([{ type: 'publish', ref: 0, channel: 'room:healthy', data: { n } }])
  expect(result).toMatchObject({ value: { duplicate: false } })
  for (const events of beside.values()) expect(await events.next('message')).toMatchObject({ data: { n } })
  expect((await ask(`${server.origin}/prototype`)).text).toBe('[]')
  expect(server.stderr).toBe('')
}

export async function post(commands: unknown): Promise<ServerEvent[]> {
  const answer = await ask(endpoint, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(commands) })
  return JSON.parse(answer.text) as ServerEvent[]
}

/** Runs one row on one transport, and looks afterwards whether anybody was hurt. */
export function test(name: string, run: () => Promise<void>): void {
  cases++
  it(name, async () => {
    await run()
    await healthy()
  })
}

// ── What is documented ───────────────────────────────────────────────────────────────────────────────────────────────

export const JSON_BODY = { 'content-type': 'application/json' }
export const SSE = { accept: 'text/event-stream' }

export function expectRefusal(answer: Answer, code: ErrorCode): void {
  const body = JSON.parse(answer.text) as { error: ErrorBody }
  expect(body.error).toMatchObject({ code, retryable: errorTable[code].retryable, status: errorTable[code].status })
  expect(body.error.message).not.toBe('')
  expect(answer.status).toBe(errorTable[code].status)
  expect(answer.headers['content-type']).toContain('application/json')
}

export async function expectBye({ events, closed }: PlainSocket, code: ErrorCode): Promise<void> {
  expect((await events.next('bye')).error).toMatchObject({ code, status: errorTable[code].status })
  expect(await closed).toEqual({ code: errorTable[code].close, reason: code })
}

/** The connection still takes a command, and its channels still get what is published. */
export async function expectAlive(socket: PlainSocket): Promise<void> {
  const room = `room:alive${++published}`
  socket.ws.send(JSON.stringify([{ type: 'subscribe', channel: room }]))
  await socket.events.next('subscribed', ({ channel }) => channel === room)
  socket.ws.send(JSON.stringify([{ type: 'publish', ref: 4711, channel: room, data: { n: 1 } }]))
  await socket.events.next('message', ({ channel }) => channel === room)
  socket.ws.terminate()
}

/** The same HTTP connection still serves the next request; one whose body was not read to its end is closed instead. */
export async function askAndGoOn(url: string, options: Ask = {}): Promise<Answer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const answer = await ask(url, { ...options, agent })
    const next = await ask(`${endpoint}?channels=room:1`, { agent })
    expect(next.status).toBe(200)
    return answer
  } finally {
    agent.destroy()
  }
}

/** `refused`: the stream as a whole. `channel`: its only channel; a WebSocket goes on without it. `gap`: the stream starts with it. `works`: harmless. */
export type Outcome =
  | { readonly refused: ErrorCode }
  | { readonly channel: ErrorCode }
  | { readonly gap: string }
  | { readonly works: true }

export const invalid: Outcome = { refused: 'invalid_request' }
export const works: Outcome = { works: true }

/** 10,000 levels. */
export const deep = '['.repeat(10_000) + ']'.repeat(10_000)
