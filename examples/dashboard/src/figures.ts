/** The thirty figures of a shop, and numbers that pass for them; used by source.ts, and by the page for their names. */

export interface Figure {
  readonly id: string
  readonly label: string
  readonly unit?: string
  /** Around which it moves. */
  readonly middle: number
  /** Digits behind the point. */
  readonly digits?: number
}

export interface Group {
  readonly name: string
  readonly figures: readonly Figure[]
}

export const groups: readonly Group[] = [
  {
    name: 'Shop',
    figures: [
      { id: 'visitors', label: 'Visitors now', middle: 1840 },
      { id: 'carts', label: 'Open carts', middle: 312 },
      { id: 'orders', label: 'Orders an hour', middle: 146 },
      { id: 'revenue', label: 'Revenue an hour', unit: '€', middle: 9120 },
      { id: 'basket', label: 'Mean basket', unit: '€', middle: 62.4, digits: 2 },
      { id: 'conversion', label: 'Conversion', unit: '%', middle: 3.4, digits: 2 },
    ],
  },
  {
    name: 'Payments',
    figures: [
      { id: 'payments', label: 'Payments a minute', middle: 41 },
      { id: 'declined', label: 'Declined', unit: '%', middle: 1.8, digits: 2 },
      { id: 'refunds', label: 'Refunds a day', middle: 23 },
      { id: 'payment-time', label: 'Time to pay', unit: 's', middle: 11.6, digits: 1 },
      { id: 'fraud', label: 'Held for review', middle: 7 },
      { id: 'fees', label: 'Fees an hour', unit: '€', middle: 131 },
    ],
  },
  {
    name: 'Warehouse',
    figures: [
      { id: 'to-pack', label: 'To be packed', middle: 208 },
      { id: 'packed', label: 'Packed an hour', middle: 152 },
      { id: 'pickers', label: 'Pickers at work', middle: 34 },
      { id: 'late', label: 'Late parcels', middle: 12 },
      { id: 'returns', label: 'Returns open', middle: 86 },
      { id: 'cold-store', label: 'Cold store', unit: '°C', middle: 4.1, digits: 1 },
    ],
  },
  {
    name: 'Servers',
    figures: [
      { id: 'requests', label: 'Requests a second', middle: 2270 },
      { id: 'latency', label: 'Latency, median', unit: 'ms', middle: 38 },
      { id: 'slow', label: 'Latency, slowest 1 %', unit: 'ms', middle: 214 },
      { id: 'errors', label: 'Errors a minute', middle: 5 },
      { id: 'processor', label: 'Processor', unit: '%', middle: 47, digits: 1 },
      { id: 'memory', label: 'Memory', unit: '%', middle: 63, digits: 1 },
    ],
  },
  {
    name: 'Support',
    figures: [
      { id: 'chats', label: 'Chats open', middle: 19 },
      { id: 'waiting', label: 'Waiting', middle: 4 },
      { id: 'answer', label: 'First answer', unit: 's', middle: 48 },
      { id: 'solved', label: 'Solved today', middle: 264 },
      { id: 'mood', label: 'Happy customers', unit: '%', middle: 93.5, digits: 1 },
      { id: 'agents', label: 'Agents here', middle: 11 },
    ],
  },
]

export const figures: readonly Figure[] = groups.flatMap((group) => group.figures)

/** The next value: wanders, and is drawn back to the middle. Put your own measurements here. */
export function next({ middle, digits = 0 }: Figure, value: number): number {
  const wander = (Math.random() - 0.5) * middle * 0.09 + (Math.random() - 0.5) * 10 ** -digits
  return Number(Math.max(0, value + wander + (middle - value) * 0.06).toFixed(digits))
}
