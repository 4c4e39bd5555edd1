import { describe, expect, it } from 'vitest'
import { addressOf } from './address'

describe('without a word about proxies', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
  ])('%s is %s', (peer, address) => {
    expect(addressOf(peer, null, null)).toBe(address)
  })

  it.each([
    '127.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '100.127.0.1',
    'fd00::1',
    'fe80::1%eth0',
  ])('%s is private, so a proxy may be there', (peer) => {
    expect(addressOf(peer, null, null)).toBeNull()
  })

  it.each(['172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1', '11.0.0.1', '2001:db8::1'])('%s is not', (peer) => {
    expect(addressOf(peer, null, null)).not.toBeNull()
  })

  it('nobody is believed: what a client says of itself is not read', () => {
    expect(addressOf('203.0.113.7', '198.51.100.1', null)).toBe('203.0.113.7')
    expect(addressOf('127.0.0.1', '198.51.100.1', null)).toBeNull()
  })
})

describe('behind proxies', () => {
  it('of none, the socket counts, a private one too', () => {
    expect(addressOf('127.0.0.1', '198.51.100.1', 0)).toBe('127.0.0.1')
  })

  it('the address counts that the first of them saw, whatever the client wrote before it', () => {
    expect(addressOf('10.0.0.1', '198.51.100.1', 1)).toBe('198.51.100.1')
    expect(addressOf('10.0.0.1', 'forged, 6.6.6.6, 198.51.100.1', 1)).toBe('198.51.100.1')
    expect(addressOf('10.0.0.1', '6.6.6.6, 198.51.100.1,10.0.0.2', 2)).toBe('198.51.100.1')
  })

  it('who came past some of them is the first of the rest', () => {
    expect(addressOf('203.0.113.7', null, 2)).toBe('203.0.113.7')
    expect(addressOf('10.0.0.1', '198.51.100.1', 2)).toBe('198.51.100.1')
  })

  it('ports and brackets are left out; what is no address is none', () => {
    expect(addressOf('10.0.0.1', '198.51.100.1:4711', 1)).toBe('198.51.100.1')
    expect(addressOf('10.0.0.1', '[2001:db8:0:1::7]:4711', 1)).toBe('2001:db8:0:1::/64')
    expect(addressOf('10.0.0.1', 'unknown', 1)).toBeNull()
  })

  it('is known where the host knows no socket', () => {
    expect(addressOf(null, '6.6.6.6, 198.51.100.1', 1)).toBe('198.51.100.1')
    expect(addressOf(null, '198.51.100.1', 0)).toBeNull()
    expect(addressOf(null, '198.51.100.1', null)).toBeNull()
  })
})
