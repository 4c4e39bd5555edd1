/** The repository as the tests of the documents read it: files, their imports, tables and links of Markdown. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = fileURLToPath(new URL('../../../../', import.meta.url))

/** The text of a file, its path from the root of the repository. */
export const read = (path: string): string => readFileSync(join(root, path), 'utf8')
export const exists = (path: string): boolean => existsSync(join(root, path))
export const isFolder = (path: string): boolean => exists(path) && statSync(join(root, path)).isDirectory()

const MADE = new Set(['node_modules', 'dist', '.turbo', 'results', 'next-env.d.ts'])

/** All files of a folder that match, with paths from the root. */
export function filesIn(folder: string, pattern: RegExp): string[] {
  if (!exists(folder)) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    // A folder with a dot is a test's own, and may go at any time.
    if (entry.isDirectory()) return MADE.has(entry.name) || entry.name.startsWith('.') ? [] : filesIn(path, pattern)
    return pattern.test(entry.name) && !MADE.has(entry.name) ? [path] : []
  })
}

export interface Import {
  /** As it stands in the source. */
  readonly specifier: string
  /** The file that a relative one leads to, from the root; null for packages. */
  readonly target: string | null
  /** Gone after compilation. */
  readonly typeOnly: boolean
  /** Loaded when the line runs, not with the file. */
  readonly dynamic: boolean
}

export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true)
}

const known = new Map<string, readonly Import[]>()

export function importsOf(path: string): readonly Import[] {
  const imports = known.get(path) ?? readImports(path)
  known.set(path, imports)
  return imports
}

function readImports(path: string): Import[] {
  const found: Import[] = []
  const add = (node: ts.Node | undefined, typeOnly: boolean, dynamic: boolean): void => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return
    const specifier = node.text
    found.push({ specifier, target: specifier.startsWith('.') ? resolve(path, specifier) : null, typeOnly, dynamic })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node.importClause), false)
    else if (ts.isExportDeclaration(node)) {
      const names = node.exportClause
      const types = names !== undefined && ts.isNamedExports(names) && names.elements.every((name) => name.isTypeOnly)
      add(node.moduleSpecifier, node.isTypeOnly || types, false)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true, false)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments
      add(argument !== undefined && ts.isAsExpression(argument) ? argument.expression : argument, false, true)
    }
    ts.forEachChild(node, visit)
  }
  visit(parse(path))
  return found
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const names = clause.namedBindings
  if (clause.name !== undefined || names === undefined || !ts.isNamedImports(names)) return false
  return names.elements.every((name) => name.isTypeOnly)
}

function resolve(from: string, specifier: string): string {
  const path = join(dirname(from), specifier)
  const found = [path, `${path}.ts`, `${path}.tsx`, `${path}/index.ts`].find((file) => exists(file) && !isFolder(file))
  if (found === undefined) throw new Error(`${from} imports ${specifier}, which is not there.`)
  return relative(root, join(root, found))
}

/** The rows of the first table below a mark, cell by cell, without its head. */
export function tableBelow(text: string, mark: string): string[][] {
  const at = text.indexOf(mark)
  if (at < 0) throw new Error(`There is no ${mark}.`)
  const lines = text.slice(at).split('\n')
  const first = lines.findIndex((line) => line.startsWith('|'))
  const rows: string[][] = []
  for (const line of lines.slice(first)) {
    if (!line.startsWith('|')) break
    rows.push(
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
  }
  return rows.slice(2)
}

/** Everything in backquotes. */
export const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, inner]) => inner as string)
