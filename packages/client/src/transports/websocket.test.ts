// The stream as a WebSocket, with the sockets of `ws`, which throw what nobody listens to.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { websocket } from './websocket'

it('may be closed at any time before it opens: nothing is thrown, nothing is told', async () => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/rt`)
  const gone: Promise<unknown>[] = []
  const transport = websocket(url, {
    socket: async (address, protocol) => {
      const socket = new WebSocket(address, protocol)
      gone.push(new Promise((resolve) => socket.on('close', resolve)))
      return socket
    },
  })
  const told: string[] = []
  const open = () =>
    transport.open(
      { request: () => ({ channels: [], cursor: undefined }), token: () => undefined, pause: () => 0 },
      { events: () => told.push('events'), alive: () => told.push('alive'), closed: () => told.push('closed') },
    )

  open().close()
  await Promise.resolve()
  const later = open()
  await new Promise((resolve) => setImmediate(resolve))
  later.close()

  expect(gone).toHaveLength(2)
  await Promise.all(gone)
  expect(told).toEqual([])
  server.close()
})
