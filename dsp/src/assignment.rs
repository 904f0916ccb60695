//! Optimal assignment: the Hungarian method with potentials, for the handful of rows and columns that sources and peaks are.

/// The cheapest way to give every row a column of its own, or none at the price `unmatched`; exact, O(rows² · (rows + columns)).
///
/// `cost(row, column)`; a price that is not finite, or is above `unmatched`, forbids a pair. Returns `[rows]`. After Kuhn (1955) and
/// Munkres (1957), one row added at a time along a shortest augmenting path; each row brings a column of its own that means none.
pub fn assign(rows: usize, columns: usize, unmatched: f64, cost: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    let width = columns + rows;
    let forbidden = 1e3 * (unmatched.abs() + 1.0) * (rows + 1) as f64;
    let mut prices = vec![forbidden; rows * width];
    for row in 0..rows {
        for column in 0..columns {
            let price = cost(row, column);
            if price <= unmatched && price.is_finite() {
                prices[row * width + column] = price;
            }
        }
        prices[row * width + columns + row] = unmatched;
    }
    // Everything is shifted by one: row and column 0 stand for nobody.
    let mut of_row = vec![0.0; rows + 1];
    let mut of_column = vec![0.0; width + 1];
    let mut row_at = vec![0usize; width + 1];
    let mut came_from = vec![0usize; width + 1];
    let mut shortest = vec![0.0; width + 1];
    let mut visited = vec![false; width + 1];
    for row in 1..=rows {
        row_at[0] = row;
        shortest.fill(f64::INFINITY);
        visited.fill(false);
        let mut column = 0;
        while row_at[column] != 0 {
            visited[column] = true;
            let here = row_at[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for other in (1..=width).filter(|&other| !visited[other]) {
                let reduced = prices[(here - 1) * width + other - 1] - of_row[here] - of_column[other];
                if reduced < shortest[other] {
                    shortest[other] = reduced;
                    came_from[other] = column;
                }
                if shortest[other] < step {
                    (step, next) = (shortest[other], other);
                }
            }
            for other in 0..=width {
                if visited[other] {
                    of_row[row_at[other]] += step;
                    of_column[other] -= step;
                } else {
                    shortest[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_at[column] = row_at[came_from[column]];
            column = came_from[column];
        }
    }
    let mut assigned = vec![None; rows];
    for column in 1..=columns {
        if let Some(row) = row_at[column].checked_sub(1) {
            assigned[row] = Some(column - 1);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The least total price, by trying everything.
    fn least(costs: &[Vec<f64>], row: usize, taken: usize, unmatched: f64) -> f64 {
        let Some(prices) = costs.get(row) else { return 0.0 };
        let free = (0..prices.len()).filter(|c| taken >> c & 1 == 0 && prices[*c] <= unmatched);
        free.map(|c| prices[c] + least(costs, row + 1, taken | 1 << c, unmatched))
            .fold(unmatched + least(costs, row + 1, taken, unmatched), f64::min)
    }

    proptest! {
        #[test]
        fn no_other_assignment_is_cheaper(
            costs in (0usize..6).prop_flat_map(|columns| {
                prop::collection::vec(prop::collection::vec(-10.0f64..20.0, columns), 0..6)
            }),
            holes in any::<u64>(),
        ) {
            let mut costs: Vec<Vec<f64>> = costs;
            let mut hole = holes;
            for price in costs.iter_mut().flatten() {
                if hole & 3 == 0 {
                    *price = [f64::NAN, f64::INFINITY][hole as usize >> 2 & 1];
                }
                hole = hole.rotate_right(3);
            }
            let columns = costs.first().map_or(0, Vec::len);
            let unmatched = 9.0;
            let assigned = assign(costs.len(), columns, unmatched, |r, c| costs[r][c]);
            let mut taken = vec![false; columns];
            for column in assigned.iter().flatten() {
                prop_assert!(!std::mem::replace(&mut taken[*column], true), "column {} twice", column);
            }
            let total: f64 = assigned.iter().enumerate().map(|(r, c)| c.map_or(unmatched, |c| costs[r][c])).sum();
            let best = least(&costs, 0, 0, unmatched);
            prop_assert!((total - best).abs() < 1e-9, "{} instead of {}", total, best);
        }
    }
}
