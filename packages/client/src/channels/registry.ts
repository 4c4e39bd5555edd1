/** All channels that the application has named: the same object for the same name, and the way from the connection to it. Made by createClient. */
import { isChannelName, RealtimeError } from '@rt/protocol'
import { Channel, type ChannelPort } from './channel'
import type { Delivery } from './subscriptions'
import type { PresenceDelivery } from './watches'

export class Registry {
  readonly #channels = new Map<string, Channel>()
  readonly #port: ChannelPort

  constructor(port: ChannelPort) {
    this.#port = port
  }

  /** Throws `invalid_request` for what can be no name. */
  get(name: string): Channel {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      if (!isChannelName(name)) throw new RealtimeError('invalid_request', `"${name}" can't be the name of a channel.`)
      channel = new Channel(name, this.#port)
      this.#channels.set(name, channel)
    }
    return channel
  }

  deliver(delivery: Delivery): void {
    this.#channels.get(delivery.channel)?.deliver(delivery)
  }

  deliverPresence(delivery: PresenceDelivery): void {
    this.#channels.get(delivery.channel)?.deliverPresence(delivery)
  }

  expelled(channel: string, error: RealtimeError): void {
    this.#channels.get(channel)?.expelled(error)
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close()
  }
}
