//! Texts that many alerts share, each kept once.
//!
//! Whoever takes a symbol gives it back: a text nobody holds is forgotten, so that labels which
//! never come again cost nothing.

use std::collections::HashMap;
use std::sync::Arc;

/// A text, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Symbol(u32);

#[derive(Debug, Default)]
pub(super) struct Symbols {
    by_text: HashMap<Arc<str>, Symbol>,
    /// Text and how many hold it.
    slots: Vec<Option<(Arc<str>, u32)>>,
    free: Vec<Symbol>,
}

impl Symbols {
    /// The symbol of a text; to be given back.
    pub(super) fn take(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.by_text.get(text) {
            if let Some((_, holders)) = &mut self.slots[symbol.0 as usize] {
                *holders += 1;
            }
            return *symbol;
        }
        let shared: Arc<str> = Arc::from(text);
        let slot = Some((Arc::clone(&shared), 1));
        let symbol = if let Some(symbol) = self.free.pop() {
            self.slots[symbol.0 as usize] = slot;
            symbol
        } else {
            self.slots.push(slot);
            Symbol(
                u32::try_from(self.slots.len() - 1).expect("4 billion texts do not fit in memory"),
            )
        };
        self.by_text.insert(shared, symbol);
        symbol
    }

    /// The text of a symbol that is held.
    pub(super) fn text(&self, symbol: Symbol) -> &str {
        self.slots.get(symbol.0 as usize).and_then(Option::as_ref).map_or("", |(text, _)| text)
    }

    /// Gives one hold back.
    pub(super) fn give(&mut self, symbol: Symbol) {
        let Some(slot) = self.slots.get_mut(symbol.0 as usize) else { return };
        let Some((text, holders)) = slot else { return };
        *holders -= 1;
        if *holders == 0 {
            self.by_text.remove(&**text);
            *slot = None;
            self.free.push(symbol);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_long_as_somebody_holds_it() {
        let mut symbols = Symbols::default();
        let first = symbols.take("a");
        assert_eq!(symbols.take("a"), first);
        symbols.give(first);
        assert_eq!((symbols.text(first), symbols.by_text.len()), ("a", 1));
        symbols.give(first);
        assert_eq!((symbols.text(first), symbols.by_text.len()), ("", 0));
        let second = symbols.take("b");
        assert_eq!((second, symbols.slots.len()), (first, 1), "the place is used again");
    }
}
