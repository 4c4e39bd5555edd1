/** The bytes below a WebSocket, to write what no WebSocket would; used by the tests that speak it badly. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'

/** A frame as RFC 6455 draws it, masked with zeros unless `mask` is false. `length`: what it says of itself, whatever is in it. */
export function frame(first: number, payload: Buffer | string = '', { mask = true, length = -1 } = {}): Buffer {
  const bytes = Buffer.from(payload)
  const size = length < 0 ? bytes.length : length
  const head =
    size < 126
      ? Buffer.from([first, size])
      : size < 65_536
        ? Buffer.from([first, 126, size >> 8, size & 255])
        : Buffer.concat([
            Buffer.from([first, 127]),
            Buffer.alloc(4),
            Buffer.from(Uint32Array.of(size).buffer).reverse(),
          ])
  if (mask) head.writeUInt8((head[1] as number) | 0x80, 1)
  return Buffer.concat([head, ...(mask ? [Buffer.alloc(4)] : []), bytes])
}

/** Opens one; the answer's status, with the code of its error, when it was refused. */
export async function handshake(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  localAddress = '127.0.0.1',
): Promise<{ readonly socket: Socket; readonly head: Buffer } | string> {
  let sent: ReturnType<typeof request>
  try {
    sent = request({
      host: '127.0.0.1',
      port,
      path,
      localAddress,
      agent: false,
      headers: {
        ...headers,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.alloc(16).toString('base64'),
        'sec-websocket-protocol': 'rt.v1',
      },
    })
  } catch {
    return 'not sent'
  }
  const upgraded = once(sent, 'upgrade') as Promise<[unknown, Socket, Buffer]>
  const answered = once(sent, 'response').then(async ([answer]) => {
    const message = answer as IncomingMessage
    let text = ''
    for await (const chunk of message.setEncoding('utf8')) text += chunk
    const code = /"error":\{"code":"(\w+)"/.exec(text)?.[1]
    return code === undefined ? `${message.statusCode}` : `${message.statusCode} ${code}`
  })
  answered.catch(() => {})
  sent.end()
  try {
    const first = await Promise.race([upgraded, answered])
    if (typeof first === 'string') return first
    const [, socket, head] = first
    socket.on('error', () => {})
    return { socket, head }
  } catch {
    return 'closed'
  }
}

export interface RawFrame {
  readonly opcode: number
  readonly payload: Buffer
}

/** Tells the frames of a server, which are not masked, as they come. */
export function readFrames(socket: Socket, head: Buffer, told: (frame: RawFrame) => void): void {
  let rest = head
  const read = () => {
    for (;;) {
      if (rest.length < 2) return
      const short = (rest[1] as number) & 0x7f
      const start = short === 126 ? 4 : short === 127 ? 10 : 2
      if (rest.length < start) return
      const size = short === 126 ? rest.readUInt16BE(2) : short === 127 ? rest.readUInt32BE(6) : short
      if (rest.length < start + size) return
      told({ opcode: (rest[0] as number) & 0xf, payload: rest.subarray(start, start + size) })
      rest = rest.subarray(start + size)
    }
  }
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    read()
  })
  read()
}
