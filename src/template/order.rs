//! What comes before what: a topological order that keeps the order of writing, and a cycle by name when there is none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Orders nodes so that each comes after those it needs; among the ready ones the lowest `priority`, then the first
/// written. `Err` is a cycle: each node needs the next, the last needs the first.
pub(super) fn order(needs: &[Vec<usize>], priority: impl Fn(usize) -> u8) -> Result<Vec<usize>, Vec<usize>> {
    let mut open: Vec<usize> = vec![0; needs.len()];
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (node, needs) in needs.iter().enumerate() {
        open[node] = needs.len();
        for need in needs {
            needed_by[*need].push(node);
        }
    }
    let ready = |node: usize| Reverse((priority(node), node));
    let mut heap: BinaryHeap<_> = (0..needs.len()).filter(|node| open[*node] == 0).map(ready).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse((_, node))) = heap.pop() {
        order.push(node);
        for dependent in &needed_by[node] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                heap.push(ready(*dependent));
            }
        }
    }
    match order.len() == needs.len() {
        true => Ok(order),
        false => Err(cycle(needs, &open)),
    }
}

/// Walks from one blocked node to a need that is blocked too, until a node comes again.
fn cycle(needs: &[Vec<usize>], open: &[usize]) -> Vec<usize> {
    let mut at = (0..needs.len()).find(|node| open[*node] > 0).expect("a graph without an order has a blocked node");
    let mut path: Vec<usize> = Vec::new();
    loop {
        if let Some(begin) = path.iter().position(|seen| *seen == at) {
            return path.split_off(begin);
        }
        path.push(at);
        at = *needs[at].iter().find(|need| open[**need] > 0).expect("a blocked node needs a blocked node");
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn order_of_writing_is_kept_where_it_can_be() {
        assert_eq!(order(&[vec![], vec![], vec![]], |_| 0), Ok(vec![0, 1, 2]));
        assert_eq!(order(&[vec![2], vec![], vec![]], |_| 0), Ok(vec![1, 2, 0]));
        assert_eq!(order(&[vec![], vec![], vec![]], |node| u8::from(node == 0)), Ok(vec![1, 2, 0]));
    }

    #[test]
    fn a_cycle_is_named_without_what_only_waits_for_it() {
        assert_eq!(order(&[vec![1], vec![2], vec![1], vec![]], |_| 0), Err(vec![1, 2]));
        assert_eq!(order(&[vec![0]], |_| 0), Err(vec![0]));
    }

    proptest::proptest! {
        #[test]
        fn everything_follows_what_it_needs(edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let mut needs = vec![Vec::new(); 12];
            for (from, to) in edges {
                needs[from].push(to);
            }
            match order(&needs, |_| 0) {
                Ok(order) => for (position, node) in order.iter().enumerate() {
                    for need in &needs[*node] {
                        assert!(order[..position].contains(need));
                    }
                },
                Err(cycle) => for (index, node) in cycle.iter().enumerate() {
                    assert!(needs[*node].contains(&cycle[(index + 1) % cycle.len()]));
                },
            }
        }
    }
}
