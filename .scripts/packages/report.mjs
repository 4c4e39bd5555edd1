// What the stage says of each check, and its counts.
import { capture } from '../lib.mjs'

export class Report {
  passed = 0
  failed = 0
  /** What was left out, each with its reason. */
  notRun = []

  /** A `problem` makes it a failure. Returns whether there is none. */
  check(name, problem) {
    console.log(`${problem ? '✗' : '✓'} ${name}${problem ? `\n${problem.trim().replace(/^/gm, '    ')}` : ''}`)
    if (problem) this.failed++
    else this.passed++
    return !problem
  }

  /** Runs a program that must end with 0. */
  command(name, file, args, options) {
    const { code, out, err } = capture(file, args, options)
    return this.check(name, code === 0 ? undefined : `exit code ${code}\n${out}${err}`)
  }

  /** Something that can't be had on this machine. */
  skip(name, reason) {
    console.log(`- ${name}: ${reason}`)
    this.notRun.push(`packages: ${name}: ${reason}`)
  }
}
