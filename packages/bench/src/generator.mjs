/** The subscribers: raw sockets that say hello, count messages and check their numbers; started and asked by run.mjs. */
import { connect } from 'node:net'
import { DIGITS, MARK } from './payload.mjs'
import { answer } from './process.mjs'

/** What each protocol says first, and what a subscriber has read when it is subscribed; `second` is said at the first `after`. */
const hellos = {
  ws: { hello: upgrade('/'), ready: '\r\n\r\n' },
  rt: { hello: upgrade('/rt?channels=news', 'rt.v1'), ready: '"subscribed"' },
  'socket.io': {
    hello: upgrade('/socket.io/?EIO=4&transport=websocket'),
    after: '"sid"',
    // The Socket.IO packet CONNECT ("40") in a masked text frame whose key is zero.
    second: Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]),
    ready: '40{',
  },
  sse: { hello: get('/'), ready: '\r\n\r\n' },
  'rt-sse': { hello: get('/rt?channels=news'), ready: '"subscribed"' },
}

function upgrade(path, protocol) {
  const more = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n${more}\r\n`
}

function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`
}

/** Opens sockets, so many at a time. */
const AT_ONCE = 50

let sockets = []
/** Per subscriber: the number of its newest message, and how many it got. */
let newest = new Uint32Array()
let received = 0
let wrong = null
let expected = 0
let whenComplete = null

function open(port, { hello, after, second, ready }, index) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    sockets[index] = socket
    socket.on('error', reject)
    socket.on('close', () => {
      wrong ??= `Subscriber ${index} was cut.`
      reject(new Error(wrong))
      whenComplete?.()
    })
    socket.write(hello)
    let text = ''
    let said = second === undefined
    socket.on('data', function read(chunk) {
      text += chunk.latin1Slice()
      if (!said && text.includes(after)) {
        said = true
        socket.write(second)
      }
      if (!said || !text.includes(ready)) return
      socket.off('data', read)
      socket.on('data', counter(index))
      resolve()
    })
  })
}

function counter(index) {
  let rest = null
  return (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk])
    rest = null
    for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
      if (at + DIGITS >= bytes.length) {
        rest = bytes.subarray(at)
        break
      }
      // A length in the head of a frame may look like the mark, but no digits stand behind it.
      const number = Number(bytes.latin1Slice(at + 1, at + 1 + DIGITS))
      if (Number.isNaN(number)) continue
      if (number !== newest[index] + 1) wrong ??= `Subscriber ${index} got ${number} after ${newest[index]}.`
      newest[index] = number
      received++
    }
    if (received >= expected) whenComplete?.()
  }
}

answer({
  async open({ port, protocol, count }) {
    sockets = []
    newest = new Uint32Array(count)
    received = 0
    wrong = null
    let next = 0
    const worker = async () => {
      while (next < count) await open(port, hellos[protocol], next++)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return null
  },

  /** Resolves when every subscriber has had every message up to this number, once and in order; rejects when one has not. */
  async complete({ last }) {
    expected = last * sockets.length
    if (received < expected) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 30_000)
        whenComplete = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      whenComplete = null
    }
    if (wrong !== null) throw new Error(wrong)
    const behind = newest.findIndex((number) => number !== last)
    if (behind >= 0 || received !== expected)
      throw new Error(`${received} of ${expected} came; subscriber ${behind} has ${newest[behind]} of ${last}.`)
    return received
  },
})
