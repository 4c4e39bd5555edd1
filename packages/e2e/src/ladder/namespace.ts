/** A network of its own for a client process, joined to this one by a virtual cable that can be unplugged and filtered; needs root and Linux. */
import { execFileSync } from 'node:child_process'

const run = (...command: readonly string[]) => execFileSync(command[0] as string, command.slice(1), { stdio: 'pipe' })

export class Namespace {
  readonly #name: string
  /** Second half of both addresses' network. */
  readonly #net: number

  private constructor(name: string, net: number) {
    this.#name = name
    this.#net = net
  }

  static create(): Namespace {
    // Other runs on this machine may have some.
    for (let tries = 0; ; tries++) {
      const net = 1 + Math.floor(Math.random() * 250)
      const namespace = new Namespace(`rtb${net}`, net)
      try {
        run('ip', 'netns', 'add', namespace.#name)
      } catch (error) {
        if (tries === 20) throw error
        continue
      }
      namespace.#build()
      return namespace
    }
  }

  /** The address of the machine's end: where a server listens. */
  get host(): string {
    return `10.213.${this.#net}.1`
  }

  /** The command that runs another one in this network. */
  get within(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#name]
  }

  /** Pulls the cable out, or puts it in. */
  plug(state: 'up' | 'down'): void {
    run('ip', 'link', 'set', `${this.#name}-h`, state)
  }

  /** Drops every packet of connections to this port without a word, or stops doing so. */
  drop(port: number, drops: boolean): void {
    for (const [chain, which] of [
      ['INPUT', '--sport'],
      ['OUTPUT', '--dport'],
    ] as const) {
      const rule = [chain, '-p', 'tcp', which, String(port), '-j', 'DROP']
      run(...this.within, 'iptables', drops ? '-I' : '-D', ...rule)
    }
  }

  /** The client's end gets another address, as when a phone goes from one network to the next. */
  moveTo(last: number): void {
    run(...this.within, 'ip', 'addr', 'flush', 'dev', `${this.#name}-c`)
    run(...this.within, 'ip', 'addr', 'add', `10.213.${this.#net}.${last}/24`, 'dev', `${this.#name}-c`)
  }

  close(): void {
    run('ip', 'netns', 'del', this.#name)
  }

  #build(): void {
    const [machine, client] = [`${this.#name}-h`, `${this.#name}-c`]
    run('ip', 'link', 'add', machine, 'type', 'veth', 'peer', 'name', client, 'netns', this.#name)
    run('ip', 'addr', 'add', `${this.host}/24`, 'dev', machine)
    run('ip', 'link', 'set', machine, 'up')
    run(...this.within, 'ip', 'link', 'set', 'lo', 'up')
    run(...this.within, 'ip', 'addr', 'add', `10.213.${this.#net}.2/24`, 'dev', client)
    run(...this.within, 'ip', 'link', 'set', client, 'up')
  }
}
