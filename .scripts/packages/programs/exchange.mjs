// What every program of this folder does with the installed packages: a message from a client to the server and back, over each transport.

/** Any payload will do. A Standard Schema by hand, so that nothing else needs to be installed. */
const anything = { '~standard': { version: 1, vendor: 'by-hand', validate: (value) => ({ value }) } }

/** A server's `rt` with one channel, which everybody may use. */
export const openChannel = (createRealtime) =>
  createRealtime({ channels: { room: { message: anything, subscribe: 'public', publish: 'public' } } })

/** Resolves with the transports by which a message came back to the client that had published it. */
export async function exchange(createClient, url, transports) {
  const used = []
  for (const transport of transports) {
    const client = createClient(url, { transports: [transport] })
    const room = client.channel('room')
    const subscribed = new Promise((resolve) => room.on('subscribed', resolve))
    const received = new Promise((resolve) => room.subscribe(resolve))
    await subscribed
    const [{ data, id }, stored] = await Promise.all([received, room.publish({ by: transport })])
    if (data.by !== transport || id !== stored.id) throw new Error(`${transport}: ${JSON.stringify(data)}, ${id}`)
    used.push(client.transport)
    client.close()
  }
  return used
}

/** The same on a server of node:http, with the doors as a module system gives them. Prints what was used. */
export async function onNode({ createRealtime }, { createClient }, createServer) {
  const rt = openChannel(createRealtime)
  const server = createServer()
  rt.attach(server)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}/rt`
  const transports = await exchange(createClient, url, ['websocket', 'sse', 'long-poll'])
  await rt.close()
  server.close()
  // Deno goes on with a connection that is idle.
  server.closeAllConnections()
  const { Bun, Deno } = globalThis
  return { version: Bun?.version ?? Deno?.version.deno ?? process.version, transports }
}
