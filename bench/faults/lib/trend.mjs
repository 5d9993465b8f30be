/**
 * Slope of points [x, y] as the median of the slopes between all pairs (Theil–Sen): a few outliers, such as the moments
 * before a garbage collection, do not move it. `low` and `high` hold the true one with 95 % of chance where the points are
 * independent of each other (Sen 1968, by the variance of Kendall's statistic). NaN for fewer than two points.
 */
export function theilSen(points) {
  const slopes = []
  for (let i = 0; i < points.length; i += 1)
    for (let j = i + 1; j < points.length; j += 1)
      slopes.push((points[j][1] - points[i][1]) / (points[j][0] - points[i][0]))
  slopes.sort((a, b) => a - b)
  const n = points.length
  const half = (1.96 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)) / 2
  const at = (index) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(index)))] ?? NaN
  const middle = (slopes.length - 1) / 2
  return {
    slope: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    low: at(middle - half),
    high: at(middle + half),
  }
}

/** Least squares: units of y for each of x. */
export function leastSquares(points) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length
  const [x, y] = [mean(points.map((point) => point[0])), mean(points.map((point) => point[1]))]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  return over / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
}
