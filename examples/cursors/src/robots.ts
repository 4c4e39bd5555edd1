/** Visitors that nobody moves: each is a client with a connection of its own and sends its position 60 times a second. Forked by start.ts with how many, and the nodes' addresses. */
import { randomBytes } from 'node:crypto'
import { createClient } from '@rt/client'
import { Sender } from './sender'
import type { Realtime } from './server'

const names = ['Ada', 'Grace', 'Alan', 'Barbara', 'Edsger', 'Radia', 'Donald', 'Margaret', 'Ken', 'Frances']
names.push('Dennis', 'Hedy', 'Leslie', 'Katherine', 'Tim', 'Shafi', 'John', 'Karen', 'Niklaus', 'Jean')

const [count, ...urls] = process.argv.slice(2)

const robots = await Promise.all(
  Array.from({ length: Number(count) }, async (_, i) => {
    const client = createClient<Realtime>(`${urls[i % urls.length]}/rt`, {
      token: randomBytes(16).toString('hex'),
      transports: ['websocket'],
    })
    const board = client.channel('board:lobby')
    const name = names[i % names.length] as string
    await board.presence.enter({ name: i < names.length ? name : `${name} ${i}`, hue: Math.round(i * 137.5) % 360 })
    return { client, sender: new Sender((message) => board.publish(message)), way: wayOf(i) }
  }),
)

setInterval(() => {
  for (const { client, sender, way } of robots) {
    if (client.status !== 'connected') continue
    const [x, y] = way(performance.now() / 1000)
    if (Math.random() < 1 / 600) sender.tap(x, y)
    else sender.move(x, y)
    sender.flush()
  }
}, 1000 / 60)

/** Curls and sways around a place of its own that wanders over the board. */
function wayOf(i: number): (seconds: number) => readonly [x: number, y: number] {
  const turn = (speed: number, seconds: number, shift: number) => Math.sin(seconds * speed + i * shift)
  const speed = 1.1 + (i % 5) * 0.23
  return (seconds) => [
    0.5 + 0.36 * turn(0.31, seconds, 2.4) + 0.1 * turn(speed * 1.6, seconds, 1.1),
    0.5 + 0.3 * turn(0.43, seconds, 3.7) + 0.13 * turn(speed * 2.1, seconds, 0.6),
  ]
}

process.once('disconnect', () => process.exit())
process.once('SIGTERM', () => process.exit())
process.on('SIGINT', () => {})
