/**
 * GCJ-02, the coordinates of Chinese maps and of the service's stores, from WGS-84, those of GPS and
 * browsers. Outside of China both are the same. No I/O.
 */

export interface Spot {
  readonly lat: number
  readonly lng: number
}

const AXIS_M = 6_378_245
const ECCENTRICITY = 0.006_693_421_622_965_943

export function gcj02Of({ lat, lng }: Spot): Spot {
  if (lat < 0.8293 || lat > 55.8271 || lng < 72.004 || lng > 137.8347) return { lat, lng }
  const [x, y] = [lng - 105, lat - 35]
  const radians = (lat / 180) * Math.PI
  const magic = 1 - ECCENTRICITY * Math.sin(radians) ** 2
  const north = (AXIS_M * (1 - ECCENTRICITY)) / (magic * Math.sqrt(magic))
  const east = (AXIS_M / Math.sqrt(magic)) * Math.cos(radians)
  return {
    lat: lat + (latitude(x, y) * 180) / (north * Math.PI),
    lng: lng + (longitude(x, y) * 180) / (east * Math.PI),
  }
}

function waves(at: number, parts: readonly (readonly [number, number])[]): number {
  return parts.reduce((sum, [size, by]) => sum + size * Math.sin(at * by * Math.PI), 0)
}

function latitude(x: number, y: number): number {
  const plane = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x))
  const parts = [
    waves(x, [[20, 6], [20, 2]]),
    waves(y, [[20, 1], [40, 1 / 3]]),
    waves(y, [[160, 1 / 12], [320, 1 / 30]]),
  ]
  return plane + parts.reduce((sum, part) => sum + (part * 2) / 3, 0)
}

function longitude(x: number, y: number): number {
  const plane = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x))
  const parts = [
    waves(x, [[20, 6], [20, 2]]),
    waves(x, [[20, 1], [40, 1 / 3]]),
    waves(x, [[150, 1 / 12], [300, 1 / 30]]),
  ]
  return plane + parts.reduce((sum, part) => sum + (part * 2) / 3, 0)
}
