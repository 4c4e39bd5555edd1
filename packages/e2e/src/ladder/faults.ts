/** The faults of the fault proxy, one function each: what networks were seen to do to connections. */
import type { Damage, Fault, Filter } from './fault-proxy.ts'

const HEAD_END = '\r\n\r\n'

const isStream = (bytes: Buffer) => /^content-type: *text\/event-stream/im.test(bytes.toString('latin1'))

/** All of them at once, the first one nearest to where the bytes come from. */
export function together(...faults: readonly Fault[]): Fault {
  return (line) => {
    const all = faults.map((fault) => fault(line))
    const chain = (direction: 'up' | 'down'): Filter =>
      all.reduceRight<Filter>(
        (next, damage) => {
          const filter = damage[direction]
          return filter === undefined ? next : (bytes, pass) => filter(bytes, (passed) => next(passed, pass))
        },
        (bytes, pass) => pass(bytes),
      )
    return {
      up: chain('up'),
      down: chain('down'),
      last: (pass) => {
        for (const damage of all) damage.last?.(pass)
      },
      lag: Math.max(0, ...all.map((damage) => damage.lag ?? 0)),
    }
  }
}

/** So many milliseconds each way. */
export function delay(ms: number): Fault {
  return () => {
    const late: Filter = (bytes, pass) => void setTimeout(() => pass(bytes), ms)
    return { up: late, down: late, lag: ms }
  }
}

/** Takes the Upgrade header out of requests. */
export const dropUpgrade: Fault = () => ({
  up: (bytes, pass) => {
    const text = bytes.toString('latin1')
    const dropped = text.replace(/^upgrade: .*\r\n/im, '').replace(/^connection: .*/im, 'Connection: close')
    pass(/^upgrade: /im.test(text) ? Buffer.from(dropped, 'latin1') : bytes)
  },
})

/** Lets the handshake of a WebSocket through, and nothing behind it, either way. */
export const swallowAfterHandshake: Fault = (line) => {
  let head = ''
  return {
    up: (bytes, pass) => {
      if (!line.upgrade || !head.includes(HEAD_END)) pass(bytes)
    },
    down: (bytes, pass) => {
      if (!line.upgrade) return pass(bytes)
      if (head.includes(HEAD_END)) return
      head += bytes.toString('latin1')
      const end = head.indexOf(HEAD_END)
      if (end >= 0) pass(Buffer.from(head.slice(0, end + HEAD_END.length), 'latin1'))
    },
  }
}

/** Keeps back the last chunk of an event stream until the next one comes. */
export const holdLastChunk: Fault = () => {
  let stream = false
  let held: Buffer | null = null
  return {
    down: (bytes, pass) => {
      stream ||= isStream(bytes)
      if (!stream) return pass(bytes)
      if (held !== null) pass(held)
      held = bytes
    },
    last: (pass) => {
      if (held !== null) pass(held)
    },
  }
}

/** Keeps all of an event stream until it ends, its head too. */
export const bufferUntilClose: Fault = () => {
  let stream = false
  const held: Buffer[] = []
  return {
    down: (bytes, pass) => {
      stream ||= isStream(bytes)
      if (stream) held.push(bytes)
      else pass(bytes)
    },
    last: (pass) => pass(Buffer.concat(held)),
  }
}

/** So many bytes a second come down, and no more are taken from the node meanwhile. */
export function throttle(bytesPerSecond: number): Fault {
  return ({ target }): Damage => ({
    down: (bytes, pass) => {
      target.pause()
      setTimeout(
        () => {
          pass(bytes)
          target.resume()
        },
        (bytes.length / bytesPerSecond) * 1000,
      )
    },
  })
}

/** Ends a connection when so many bytes have come down. */
export function cutAfter(count: number): Fault {
  return ({ client }) => {
    let left = count
    return {
      down: (bytes, pass) => {
        if (left <= 0) return
        pass(bytes.subarray(0, left))
        left -= bytes.length
        if (left <= 0) client.destroySoon()
      },
    }
  }
}

/** Ends a connection that is silent for so many milliseconds. */
export function cutIdle(ms: number): Fault {
  return ({ client }) => {
    const timer = setTimeout(() => client.destroySoon(), ms)
    client.once('close', () => clearTimeout(timer))
    const stir: Filter = (bytes, pass) => {
      timer.refresh()
      pass(bytes)
    }
    return { up: stir, down: stir }
  }
}

/** Ends a connection at this age. */
export function cutAtAge(ms: number): Fault {
  return ({ client }) => {
    const timer = setTimeout(() => client.destroySoon(), ms)
    client.once('close', () => clearTimeout(timer))
    return {}
  }
}

/** Passes half of what comes down next, then resets the connection. */
export const resetMidFrame: Fault = ({ client }) => {
  let done = false
  return {
    down: (bytes, pass) => {
      if (done) return
      done = true
      pass(bytes.subarray(0, Math.ceil(bytes.length / 2)))
      // Behind the half that was just written.
      setImmediate(() => client.resetAndDestroy())
    },
  }
}

/** Both ends stay open, and nothing comes through any more. */
export const halfOpen: Fault = () => ({ up: () => {}, down: () => {}, deaf: true })
