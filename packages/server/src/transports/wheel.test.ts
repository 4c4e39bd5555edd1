import { systemClock } from '@rt/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWheel } from './wheel'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('each check runs once per period, at a time of its own', () => {
  const wheel = createWheel(1000, systemClock)
  const calls = new Map<number, number>()
  for (let i = 0; i < 200; i++) wheel(() => calls.set(i, (calls.get(i) ?? 0) + 1))
  vi.advanceTimersByTime(50)
  expect(calls.size).toBeLessThan(100)
  vi.advanceTimersByTime(950)
  expect([...calls.values()]).toEqual(Array(200).fill(1))
  vi.advanceTimersByTime(3000)
  expect([...calls.values()]).toEqual(Array(200).fill(4))
})

test('the wheel stands still while nothing is on it, and turns again', () => {
  const wheel = createWheel(1000, systemClock)
  const off = wheel(() => {})
  off()
  off()
  expect(vi.getTimerCount()).toBe(0)
  let calls = 0
  const stop = wheel(() => calls++)
  vi.advanceTimersByTime(2000)
  expect(calls).toBe(2)
  stop()
  expect(vi.getTimerCount()).toBe(0)
})

test('a check may take itself off, or another one, while the wheel turns', () => {
  const wheel = createWheel(1000, systemClock)
  let calls = 0
  const off = wheel(() => {
    calls++
    off()
  })
  vi.advanceTimersByTime(5000)
  expect(calls).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})
