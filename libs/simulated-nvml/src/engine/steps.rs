//! A value that changes at known times. The past stays: the state at any time can be asked for.

/// A value before all changes, and the changes by time.
#[derive(Debug, Clone)]
pub struct Steps<T> {
    first: T,
    later: Vec<(u64, T)>,
}

impl<T> Steps<T> {
    /// A value that has not changed.
    pub fn new(first: T) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Changes it at a time in microseconds; of two changes at one time the last one made counts.
    pub fn set(&mut self, at: u64, value: T) {
        let index = self.later.partition_point(|(known, _)| *known <= at);
        self.later.insert(index, (at, value));
    }

    /// The value at a time.
    pub fn at(&self, time: u64) -> &T {
        match self.changes_until(time) {
            0 => &self.first,
            count => &self.later[count - 1].1,
        }
    }

    /// How often it has changed until a time.
    pub fn changes_until(&self, time: u64) -> usize {
        self.later.partition_point(|(at, _)| *at <= time)
    }

    /// The values between two times, each with its first and last moment.
    pub fn spans(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64, &T)> {
        let starts = std::iter::once((0, &self.first))
            .chain(self.later.iter().map(|(at, value)| (*at, value)));
        let ends = self.later.iter().map(|(at, _)| *at).chain(std::iter::once(u64::MAX));
        starts
            .zip(ends)
            .map(move |((start, value), end)| (start.max(from), end.min(to), value))
            .filter(|(start, end, _)| start < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_before_a_time_is_the_value_at_it() {
        let mut steps = Steps::new('a');
        steps.set(20, 'c');
        steps.set(10, 'b');
        steps.set(20, 'd');
        assert_eq!(
            [0, 9, 10, 19, 20, 99].map(|time| *steps.at(time)),
            ['a', 'a', 'b', 'b', 'd', 'd']
        );
        let spans: Vec<_> = steps.spans(5, 30).collect();
        assert_eq!(spans, [(5, 10, &'a'), (10, 20, &'b'), (20, 30, &'d')]);
        assert_eq!(steps.changes_until(10), 1);
    }
}
