/** Promises of what a client tells by events: a test awaits them, whether it has happened already or not. */
import type { RealtimeError } from '@rt/protocol'
import type { ClientEvents } from '../create-client'

/** What {@link when} may wait for. */
type Facts = Pick<ClientEvents, 'status' | 'transport' | 'problem'>

/** What of a client is used here. */
type Observed = Readonly<Facts> & {
  on<E extends keyof Facts>(event: E, callback: (value: Facts[E]) => void): () => void
}

/** What of a channel is used here. */
interface Subscribable {
  readonly name: string
  readonly established: boolean
  on(event: 'subscribed', callback: () => void): () => void
  on(event: 'error', callback: (error: RealtimeError) => void): () => void
}

/**
 * Resolves when the client's `status`, `transport` or `problem` is this. Rejects when the client is `closed` or `failed`, unless that is what is waited for.
 *
 * @example
 * await when(client, 'status', 'connected')
 * await when(client, 'transport', 'sse')
 */
export function when<F extends keyof Facts>(client: Observed, fact: F, value: Facts[F]): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const ended = endOf(client)
      if (client[fact] === value) resolve()
      else if (ended !== null) reject(new Error(`${ended} Its ${fact} will not be "${value}".`))
      else return
      for (const off of offs) off()
    }
    const offs = [client.on('status', look), client.on(fact, look)]
    look()
  })
}

/**
 * Resolves when the channel is established: from then on it gets whatever is published. Subscribe first. Rejects with what the server refused it with,
 * and when the client is `closed` or `failed`.
 *
 * @example
 * const room = client.channel('chat:42')
 * room.subscribe(({ data }) => heard.push(data.text))
 * await established(client, room)
 * await rt.publish('chat:42', { text: 'hello' })
 */
export function established(client: Observed, channel: Subscribable): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (run: () => void) => {
      for (const off of offs) off()
      run()
    }
    const look = () => {
      const ended = endOf(client)
      if (channel.established) end(resolve)
      else if (ended !== null) end(() => reject(new Error(`${ended} ${channel.name} will not be established.`)))
    }
    const offs = [
      channel.on('subscribed', look),
      channel.on('error', (error) => end(() => reject(error))),
      client.on('status', look),
    ]
    look()
  })
}

/** Null: the client may still do what is waited for. */
function endOf({ status, problem }: Observed): string | null {
  if (status !== 'closed' && status !== 'failed') return null
  return `The client is ${status}${problem === null ? '' : ` (${problem})`}.`
}
