/** The page: what the nodes say of themselves, heard on a channel of rt's own, as charts and tables; and one channel that is looked into. */
import { createClient, type Status } from '@rt/client'
import { openChannel } from './channel'
import { Chart } from './chart'
import { find, show } from './element'
import { Fleet, type FleetChannel, type FleetConnection, type Node, transports } from './fleet'
import type { Snapshot } from './snapshot'
import { Table } from './table'
import { age, bytes, count, milliseconds, rate, transportNames } from './words'

const statusNames: Readonly<Record<Status, string>> = {
  idle: 'Not connected',
  connecting: 'Connecting …',
  connected: 'Connected',
  degraded: 'Connected, the broker is away',
  reconnecting: 'Reconnecting …',
  closed: 'Closed',
  failed: 'Refused',
}

// The page's own path is the endpoint.
const client = createClient(location.pathname, { transports: ['sse', 'long-poll'], share: false })
const fleet = new Fleet()
client.channel(':nodes').subscribe(({ data }) => fleet.hear(data as Snapshot, performance.now()))

const showStatus = () => {
  find('#status').dataset['status'] = client.status
  show(find('#status-text'), statusNames[client.status])
  show(find('#problem'), client.problem ?? '')
}
client.on('status', showStatus)
client.on('problem', showStatus)
showStatus()

// ── Charts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const charts = {
  connections: new Chart({
    id: 'connections-chart',
    title: 'Connections',
    format: count,
    series: transports.slice(0, 3).map((name) => ({ name: transportNames[name], tone: name })),
    least: 4,
  }),
  publications: new Chart({
    id: 'publications-chart',
    title: 'Publications a second',
    format: rate,
    series: [{ name: 'publications', tone: 'plain' }],
    least: 1,
  }),
  deliveries: new Chart({
    id: 'deliveries-chart',
    title: 'Deliveries a second',
    format: rate,
    series: [{ name: 'deliveries', tone: 'plain' }],
    least: 1,
  }),
  polls: new Chart({
    id: 'polls-chart',
    title: 'Short polls a second',
    format: rate,
    series: [{ name: 'polls', tone: 'poll' }],
    least: 1,
  }),
  lag: new Chart({
    id: 'lag-chart',
    title: 'Event loop late by',
    format: milliseconds,
    series: [{ name: 'lag', tone: 'lag' }],
    least: 10,
  }),
}
find('#charts').append(...Object.values(charts).map((chart) => chart.element))

function drawCharts(nodes: readonly Node[]): void {
  const total = (of: (node: Node) => number) => nodes.reduce((sum, node) => sum + of(node), 0)
  charts.connections.add(transports.slice(0, 3).map((name) => total(({ snapshot }) => snapshot.open[name])))
  charts.publications.add([total(({ rates }) => rates.publications)])
  charts.deliveries.add([total(({ rates }) => rates.deliveries)])
  charts.polls.add([total(({ rates }) => rates.polls)])
  charts.lag.add([Math.max(0, ...nodes.map(({ snapshot }) => snapshot.lag))])
}

// ── Tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const short = (node: string) => node.slice(0, 8)
const open = ({ snapshot }: Node) => transports.reduce((sum, name) => sum + snapshot.open[name], 0)

const nodes = new Table<Node>({
  id: 'nodes',
  key: ({ snapshot }) => snapshot.node,
  none: 'No node has said anything yet.',
  columns: [
    { name: 'Node', text: ({ snapshot }) => short(snapshot.node), className: 'id' },
    { name: 'Process', text: ({ snapshot }) => String(snapshot.pid ?? '–'), className: 'figure wide' },
    { name: 'Up', text: ({ snapshot }) => age(snapshot.up), className: 'figure wide' },
    { name: 'Connections', text: (node) => count(open(node)), className: 'figure' },
    { name: 'Published/s', text: ({ rates }) => rate(rates.publications), className: 'figure' },
    { name: 'Delivered/s', text: ({ rates }) => rate(rates.deliveries), className: 'figure' },
    { name: 'Loop late', text: ({ snapshot }) => milliseconds(snapshot.lag), className: 'figure wide' },
    {
      name: 'Memory',
      text: ({ snapshot }) => (snapshot.memory === null ? '–' : bytes(snapshot.memory)),
      className: 'figure wide',
    },
  ],
  mark: ({ silent }, line) => line.classList.toggle('silent', silent),
})
find('#nodes-part').append(nodes.element)

const channels = new Table<FleetChannel>({
  id: 'channels',
  key: ({ name }) => name,
  none: 'Nobody hears a channel.',
  columns: [
    { name: 'Channel', text: ({ name }) => name, className: 'name' },
    { name: 'Delivery', text: ({ delivery }) => delivery, className: 'wide' },
    { name: 'Heard by', text: ({ subscribers }) => count(subscribers), className: 'figure' },
    { name: 'Messages/s', text: (channel) => rate(channel.rate), className: 'figure' },
  ],
  mark: ({ name }, line) => line.classList.toggle('open', name === opened),
  open: ({ name }) => go(name),
})
find('#channels-part').append(channels.element)

const connections = new Table<FleetConnection>({
  id: 'connections',
  key: ({ node, id }) => `${node} ${id}`,
  none: 'Nobody is connected.',
  columns: [
    { name: 'Connection', text: ({ id }) => id, className: 'id' },
    { name: 'Identity', text: ({ identity }) => identity ?? '–', className: 'name' },
    { name: 'Transport', text: ({ transport }) => transportNames[transport] },
    { name: 'Age', text: ({ since, node }) => age(timeOf(node) - since), className: 'figure' },
    { name: 'Channels', text: (row) => count(row.channels), className: 'figure' },
    { name: 'Waiting', text: ({ waiting }) => bytes(waiting), className: 'figure' },
    { name: 'Node', text: ({ node }) => short(node), className: 'id wide' },
  ],
})
find('#connections-part').append(connections.element)

let known: readonly Node[] = []
/** A node's own time: clocks differ. */
const timeOf = (node: string) => known.find(({ snapshot }) => snapshot.node === node)?.snapshot.time ?? 0

/** How many of how many are shown. */
function ofAll(shown: number, all: number): string {
  return shown < all ? `${count(shown)} of ${count(all)}` : count(all)
}

function drawTables(): void {
  const word = (selector: string) => find<HTMLInputElement>(selector).value.trim().toLowerCase()
  nodes.draw(known)
  show(find('#nodes-count'), count(known.length))
  const heard = fleet.channels().filter(({ name }) => name.toLowerCase().includes(word('#find-channel')))
  channels.draw(heard.slice(0, ROWS))
  // On several nodes one channel is in several lists.
  const unseen = known.some(({ snapshot: { channels } }) => channels.head.length < channels.total)
  show(find('#channels-count'), `${ofAll(Math.min(heard.length, ROWS), heard.length)}${unseen ? '+' : ''}`)
  const connected = fleet
    .connections()
    .filter(({ identity, transport, id }) =>
      `${identity ?? ''} ${transportNames[transport]} ${id}`.toLowerCase().includes(word('#find-connection')),
    )
  connections.draw(connected.slice(0, ROWS))
  const total = known.reduce((sum, { snapshot }) => sum + snapshot.connections.total, 0)
  show(find('#connections-count'), ofAll(Math.min(connected.length, ROWS), total))
}

const ROWS = 100
for (const input of document.querySelectorAll<HTMLInputElement>('input[type="search"]'))
  input.addEventListener('input', drawTables)

// ── The open channel ─────────────────────────────────────────────────────────────────────────────────────────────────

let opened: string | null = null
let leave = () => {}

/** Which one stands in the address, so that it can be sent to somebody. */
const go = (name: string) => {
  location.hash = encodeURIComponent(name)
}

/** Null: none, or what somebody typed there is none. */
function nameIn(hash: string): string | null {
  try {
    return decodeURIComponent(hash.slice(1)) || null
  } catch {
    return null
  }
}

function followAddress(): void {
  leave()
  leave = () => {}
  opened = nameIn(location.hash)
  find('#channel').hidden = opened === null
  find('#nothing-open').hidden = opened !== null
  if (opened !== null) {
    try {
      leave = openChannel(client, opened)
    } catch (error) {
      show(find('#tail-state'), (error as Error).message)
    }
  }
  drawTables()
}
window.addEventListener('hashchange', followAddress)
followAddress()

find<HTMLFormElement>('#open').addEventListener('submit', (event) => {
  event.preventDefault()
  const name = find<HTMLInputElement>('#open-name').value.trim()
  if (name !== '') go(name)
})
find('#close').addEventListener('click', () => {
  location.hash = ''
})

// ── Once a second ────────────────────────────────────────────────────────────────────────────────────────────────────

setInterval(() => {
  const now = performance.now()
  const hears = client.status === 'connected' || client.status === 'degraded'
  if (hears) fleet.forget(now)
  known = fleet.nodes(now)
  drawTables()
  if (hears && known.length > 0) drawCharts(known)
}, 1000)
