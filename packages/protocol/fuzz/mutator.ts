/** Makes bad frames from good ones: changes the tree of a JSON text at a few places, and sometimes the text. The same seed makes the same frames. */

/** Numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** JSON whose leaves are text already, since not all that is to be written is a value, and keys may come twice. */
type Tree = string | Tree[] | { members: [key: string, value: Tree][] }

/** JSON in place of what was there. */
export const badValues: readonly string[] = [
  ...['null', 'true', 'false', '0', '-0', '-1', '1.5', '1e3', '7', '129', '1001', '60001'],
  ...['1e309', '-1e309', 'NaN', '9007199254740991', '9007199254740992', '2147483648', '99999999999999999999', '0x10'],
  ...['""', '" "', '"0"', '"5"', '"true"', '"null"', '"__proto__"', '"constructor"', '"toString"', '"hasOwnProperty"'],
  ...['"$orders"', '"rt:1"', '"*"', '"{a}"', '"%00"', '"../x"', '"a,b"', '"room:"', '":"', '"ü"', '"💥"', '"\\u200f"'],
  ...['"\\u0000"', '"\\r\\n\\r\\ndata: {}"', '"\\u2028"', '"\\ud800"', '"\\udc00\\ud800"', `"${'x'.repeat(300)}"`],
  ...['"0-0"', '"1-1"', '"-1-5"', '"01-1"', '"9007199254740993-1"', '"1.1.0_1-0_1-0"', '"A==="', '"AQID"', '"AQ*D"'],
  ...['[]', '[[]]', '[null]', '{}', '{"__proto__":{"polluted":1}}', '{"toString":1}', '{"length":1e9}', '{"then":1}'],
  ...[40, 2_000].flatMap((n) => ['['.repeat(n) + ']'.repeat(n), '{"a":'.repeat(n) + 1 + '}'.repeat(n)]),
]

const KEYS: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'toJSON', 'then', 'length', '', '\u0000', 'polluted'],
  ...[
    'type',
    'ref',
    'channel',
    'data',
    'bytes',
    'id',
    'from',
    'messageId',
    'last',
    'since',
    'client',
    'state',
    'error',
  ],
]

/** Into the text. */
const TEXTS: readonly string[] = [
  ...'\ufeff\u0000\r\n ,:"\\[]{}/1-\ud800\u2028',
  ...['\r\n', '\\u', 'Infinity', "'", '\n\ndata: {"type":"bye"}\n\n', 'id: forged\n'],
]

export class Mutator {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** From 0 to below `n`. */
  number(n: number): number {
    return Math.floor(this.#random() * n)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.number(list.length)] as T
  }

  /** A bad text from a good one. `others`: where it takes parts from. */
  mutate(text: string, others: readonly string[]): string {
    let tree = treeOf(JSON.parse(text))
    for (let n = 1 + this.number(3); n > 0; n--) tree = this.#change(tree, others)
    const changed = print(tree)
    return this.number(8) === 0 ? this.scramble(changed) : changed
  }

  #change(root: Tree, others: readonly string[]): Tree {
    const places = placesOf(root)
    const place = this.pick(places)
    const inner = places.filter(({ tree }) => typeof tree !== 'string').map(({ tree }) => tree)
    const into = inner.length > 0 ? this.pick(inner as Exclude<Tree, string>[]) : null
    const at = into === null ? 0 : this.number(sizeOf(into) + 1)
    switch (this.number(into === null ? 3 : 8)) {
      case 0:
      case 1:
        return put(root, place, this.pick(badValues))
      case 2:
        return put(root, place, this.pick(placesOf(treeOf(JSON.parse(this.pick(others))))).tree)
      case 3:
        return put(root, place, this.pick<Tree>([[place.tree], { members: [[this.pick(KEYS), place.tree]] }]))
      case 4:
        listOf(into).splice(at, 1)
        return root
      case 5:
        // A few, or more than a frame may have.
        if (Array.isArray(into)) into.push(...Array(this.pick([1, 1, 2, 130])).fill(into[at] ?? 'null'))
        else into?.members.push([into.members[at]?.[0] ?? this.pick(KEYS), this.pick(badValues)])
        return root
      case 6:
        if (Array.isArray(into)) into.splice(at, 0, this.pick(badValues))
        else into?.members.splice(at, 0, [this.pick(KEYS), this.pick(badValues)])
        return root
      default: {
        const member = Array.isArray(into) ? undefined : into?.members[at]
        if (member !== undefined) member[0] = this.pick(KEYS)
        return root
      }
    }
  }

  /** A text in which something is cut off, doubled, or put between. */
  scramble(text: string): string {
    const [from, to] = [this.number(text.length + 1), this.number(text.length + 1)].sort((a, b) => a - b) as [
      number,
      number,
    ]
    return this.pick([
      () => text.slice(0, from),
      () => text.slice(to),
      () => text.slice(0, from) + text.slice(to),
      () => text.slice(0, to) + text.slice(from),
      () => text.slice(0, from) + this.pick(TEXTS) + text.slice(from),
      () => text.slice(0, from) + String.fromCharCode(this.number(0x10000)) + text.slice(from + 1),
    ])()
  }
}

function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return value.map(treeOf)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return { members: Object.entries(value).map(([key, member]) => [key, treeOf(member)]) }
}

function print(tree: Tree): string {
  if (typeof tree === 'string') return tree
  if (Array.isArray(tree)) return `[${tree.map(print).join(',')}]`
  return `{${tree.members.map(([key, value]) => `${JSON.stringify(key)}:${print(value)}`).join(',')}}`
}

/** Where a tree stands: in which list, or which member; in none, when it is the whole. */
interface Place {
  readonly tree: Tree
  readonly holder: unknown[] | null
  readonly at: number
}

function placesOf(root: Tree): Place[] {
  const places: Place[] = [{ tree: root, holder: null, at: 0 }]
  for (const { tree } of places) {
    if (typeof tree === 'string') continue
    if (Array.isArray(tree)) places.push(...tree.map((child, at) => ({ tree: child, holder: tree, at })))
    else places.push(...tree.members.map((member) => ({ tree: member[1], holder: member, at: 1 })))
  }
  return places
}

/** Puts something else there; returns the whole. */
function put(root: Tree, { holder, at }: Place, tree: Tree): Tree {
  if (holder === null) return tree
  holder[at] = tree
  return root
}

function sizeOf(tree: Exclude<Tree, string>): number {
  return Math.max(0, (Array.isArray(tree) ? tree : tree.members).length - 1)
}

function listOf(tree: Exclude<Tree, string> | null): unknown[] {
  return tree === null ? [] : Array.isArray(tree) ? tree : tree.members
}
