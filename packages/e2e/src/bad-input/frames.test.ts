// Frames that no WebSocket sends: each ends its own connection with the documented code, and hurts nobody beside it.
import { once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '@rt/protocol'
import { describe, expect } from 'vitest'
import { frame } from '../fuzz/raw-websocket'
import { openWebSocket } from '../plain-client'
import { countRow, endpoint, expectAlive, test } from './stage'

/** The socket below a WebSocket, to write what no WebSocket would. */
async function rawWebSocket(): Promise<{ socket: Socket; code: Promise<number | null> }> {
  const sent = request(`${endpoint}?channels=room:1`, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      'sec-websocket-protocol': 'rt.v1',
    },
  })
  sent.end()
  const [, socket] = (await once(sent, 'upgrade')) as [unknown, Socket]
  let received = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
  })
  socket.on('error', () => {})
  const code = once(socket, 'close').then(() => {
    // Frames of the server are not masked, and those of this test are short.
    let last: number | null = null
    for (let at = 0; at + 1 < received.length; ) {
      const short = (received[at + 1] as number) & 0x7f
      const head = short === 126 ? 4 : 2
      const size = short === 126 ? received.readUInt16BE(at + 2) : short
      if (received[at] === 0x88 && size >= 2) last = received.readUInt16BE(at + 2)
      at += head + size
    }
    return last
  })
  return { socket, code }
}

const frameRows: readonly { readonly name: string; readonly bytes: () => Buffer[]; readonly code: number }[] = [
  { name: 'a binary frame', bytes: () => [frame(0x82, '[]')], code: 1003 },
  { name: 'an empty binary frame', bytes: () => [frame(0x82)], code: 1003 },
  { name: 'a text that is no UTF-8', bytes: () => [frame(0x81, Buffer.from([0x22, 0xff, 0x22]))], code: 1007 },
  { name: 'a text that ends in a character', bytes: () => [frame(0x81, Buffer.from([0xe2, 0x82]))], code: 1007 },
  { name: 'a text too large', bytes: () => [frame(0x81, 'x'.repeat(limits.frameBytes + 1))], code: 1009 },
  { name: 'a length of 4 GiB', bytes: () => [frame(0x81, '[', { length: 2 ** 32 - 1 })], code: 1009 },
  {
    name: 'fragments that are too large together',
    bytes: () => [frame(0x01, 'x'.repeat(40_000)), frame(0x80, 'x'.repeat(40_000))],
    code: 1009,
  },
  {
    name: 'two thousand fragments',
    bytes: () => [frame(0x01, '['), ...Array(2_000).fill(frame(0x00, ' '))],
    code: 1008,
  },
  { name: 'two thousand empty fragments', bytes: () => [frame(0x01), ...Array(2_000).fill(frame(0x00))], code: 1008 },
  { name: 'a frame without a mask', bytes: () => [frame(0x81, '[]', { mask: false })], code: 1002 },
  { name: 'a compressed frame', bytes: () => [frame(0xc1, '[]')], code: 1002 },
  { name: 'reserved bits', bytes: () => [frame(0xb1, '[]')], code: 1002 },
  { name: 'a reserved opcode', bytes: () => [frame(0x83, '[]')], code: 1002 },
  { name: 'a continuation of nothing', bytes: () => [frame(0x80, '[]')], code: 1002 },
  { name: 'a text within a text', bytes: () => [frame(0x01, '['), frame(0x81, '[]')], code: 1002 },
  { name: 'a ping of 126 bytes', bytes: () => [frame(0x89, 'x'.repeat(126))], code: 1002 },
  { name: 'a ping in fragments', bytes: () => [frame(0x09, 'x')], code: 1002 },
  { name: 'a close of one byte', bytes: () => [frame(0x88, 'x')], code: 1002 },
  { name: 'a close with a code that is none', bytes: () => [frame(0x88, Buffer.from([0x03, 0xed]))], code: 1002 },
  { name: 'a close of a code below a thousand', bytes: () => [frame(0x88, Buffer.from([0x03, 0xe7]))], code: 1002 },
  { name: 'a close whose reason is no UTF-8', bytes: () => [frame(0x88, Buffer.from([0x03, 0xe8, 0xff]))], code: 1007 },
  { name: 'a close of 126 bytes', bytes: () => [frame(0x88, 'x'.repeat(126))], code: 1002 },
  { name: 'a close in fragments', bytes: () => [frame(0x08)], code: 1002 },
  { name: 'a pong of 126 bytes', bytes: () => [frame(0x8a, 'x'.repeat(126))], code: 1002 },
  { name: 'the second reserved bit', bytes: () => [frame(0xa1, '[]')], code: 1002 },
  { name: 'the third reserved bit', bytes: () => [frame(0x91, '[]')], code: 1002 },
  { name: 'a compressed ping', bytes: () => [frame(0xc9, 'x')], code: 1002 },
  { name: 'a reserved control opcode', bytes: () => [frame(0x8b, 'x')], code: 1002 },
  { name: 'a reserved opcode in fragments', bytes: () => [frame(0x03, 'x')], code: 1002 },
  { name: 'binary in fragments', bytes: () => [frame(0x02, '['), frame(0x80, ']')], code: 1003 },
  { name: 'a continuation of nothing, unfinished', bytes: () => [frame(0x00, '[')], code: 1002 },
  {
    name: 'half a surrogate pair',
    bytes: () => [frame(0x81, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))],
    code: 1007,
  },
  { name: 'an overlong slash', bytes: () => [frame(0x81, Buffer.from([0xc0, 0xaf]))], code: 1007 },
  {
    name: 'a character that is cut by fragments and never ends',
    bytes: () => [frame(0x01, Buffer.from([0xe2])), frame(0x80)],
    code: 1007,
  },
  { name: 'a ping without a mask', bytes: () => [frame(0x89, 'x', { mask: false })], code: 1002 },
  { name: 'TLS', bytes: () => [Buffer.from('16030100a5010000a10303', 'hex')], code: 1002 },
  { name: 'HTTP', bytes: () => [Buffer.from('GET /rt HTTP/1.1\r\nHost: x\r\n\r\n')], code: 1002 },
]

describe('frames', () => {
  for (const { name, bytes, code } of frameRows) {
    countRow()
    test(`${name} ends the connection with ${code}`, async () => {
      const raw = await rawWebSocket()
      for (const each of bytes()) raw.socket.write(each)
      expect(await raw.code).toBe(code)
    })
  }

  countRow()
  test('half a frame, and then nobody', async () => {
    const { socket, code } = await rawWebSocket()
    socket.write(frame(0x81, '[]', { length: 100 }))
    socket.resetAndDestroy()
    await code
  })

  countRow()
  test('five thousand pings are answered or end the connection, and no other', async () => {
    const { socket, code } = await rawWebSocket()
    socket.write(Buffer.concat(Array(5_000).fill(frame(0x89, 'x'))))
    socket.write(frame(0x88, Buffer.from([0x03, 0xe8])))
    // Null: cut without a word, for who floods does not read.
    expect([null, 1000, 1008]).toContain(await code)
  })

  countRow()
  test('five megabytes of commands at once are answered, each, and the connection goes on', async () => {
    const socket = await openWebSocket(endpoint)
    // Beyond two megabytes without an answer a command is refused, not kept.
    const frames = 80
    for (let ref = 0; ref < frames; ref++) {
      socket.ws.send(JSON.stringify([{ type: 'publish', ref, channel: 'any:flood', data: 'x'.repeat(60_000) }]))
    }
    for (let ref = 0; ref < frames; ref++) {
      const result = await socket.events.next('result')
      if ('error' in result) expect(result.error).toMatchObject({ code: 'rate_limited', outcome: 'failed' })
    }
    await expectAlive(socket)
  })

  countRow()
  test('no open command in the first frame but much before it', async () => {
    const socket = await openWebSocket(`${endpoint}?open=first`)
    socket.ws.send(Buffer.from(JSON.stringify({ type: 'open', channels: [{ channel: 'room:1' }] })), { binary: true })
    expect(await socket.closed).toEqual({ code: 1003, reason: 'unsupported' })
    expect(socket.events.all.map(({ type }) => type)).toEqual(['bye'])
  })
})
