//! Arguments of C functions as values that safe code can use.
//!
//! A pointer is trusted once, when it is received: to be null, or valid for what NVML writes there.
//! How much that is, for arrays, the caller says in another argument, and answers keep to it.

#![expect(unsafe_code, reason = "pointers of C functions are read and written here")]

use std::ffi::{CStr, c_char};
use std::mem::size_of;

use nvml_wrapper_sys::bindings::{nvmlGpmMetric_t, nvmlGpmMetricsGet_t};

use crate::code::Code;

/// An argument as it comes from C.
pub trait Argument {
    /// What safe code gets.
    type Received;

    /// Takes it.
    ///
    /// # Safety
    ///
    /// A pointer is null, or valid during the call for what the function reads and writes there.
    unsafe fn receive(self) -> Self::Received;
}

macro_rules! plain {
    ($($number:ty),*) => {
        $(
            impl Argument for $number {
                type Received = Self;

                unsafe fn receive(self) -> Self {
                    self
                }
            }
        )*
    };
}

plain!(u32, i32, u64);

impl<T> Argument for *mut T {
    type Received = Out<T>;

    unsafe fn receive(self) -> Out<T> {
        Out(self)
    }
}

impl Argument for *const c_char {
    type Received = Text;

    unsafe fn receive(self) -> Text {
        Text(self)
    }
}

/// A text that the caller has.
#[derive(Debug)]
pub struct Text(*const c_char);

impl Text {
    /// The text.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null and for what is not UTF-8.
    pub fn read(&self) -> Result<&str, Code> {
        if self.0.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: received as valid, and the caller's texts end with a zero byte.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().map_err(|_| Code::INVALID_ARGUMENT)
    }
}

/// A place of the caller's.
#[derive(Debug)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// The place as a number: what is opaque to the caller is a number to us.
    pub fn address(&self) -> usize {
        self.0.addr()
    }

    /// Whether the caller gave none.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    fn checked(&self) -> Result<*mut T, Code> {
        if self.0.is_null() { Err(Code::INVALID_ARGUMENT) } else { Ok(self.0) }
    }

    /// Writes there.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn put(&self, value: T) -> Result<(), Code> {
        let place = self.checked()?;
        // SAFETY: received as valid for a write.
        unsafe { place.write(value) };
        Ok(())
    }

    /// Writes there if there is a place.
    pub fn put_if_wanted(&self, value: T) {
        if !self.is_null() {
            // SAFETY: received as valid for a write.
            unsafe { self.0.write(value) };
        }
    }

    /// Reads what the caller put there.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn get(&self) -> Result<T, Code>
    where
        T: Copy,
    {
        let place = self.checked()?;
        // SAFETY: received as valid, and only asked for where NVML says that the caller fills it.
        Ok(unsafe { place.read() })
    }

    /// The place of an element of an array that begins here; the caller has said that it has it.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        Self(self.0.wrapping_add(index))
    }

    /// Writes an array; the caller has said that there is room for it.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn put_all(&self, values: impl IntoIterator<Item = T>) -> Result<(), Code> {
        self.checked()?;
        for (index, value) in values.into_iter().enumerate() {
            self.at(index).put(value)?;
        }
        Ok(())
    }

    /// The first member of a versioned structure.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn version(&self) -> Result<u32, Code> {
        let place = self.checked()?.cast::<u32>();
        // SAFETY: received as valid; every versioned structure begins with this member.
        Ok(unsafe { place.read() })
    }

    /// Checks size and version of a structure, as NVML packs them into one number.
    ///
    /// # Errors
    ///
    /// `ARGUMENT_VERSION_MISMATCH`.
    pub fn check_version(&self, version: u32) -> Result<(), Code> {
        if self.version()? == struct_version::<T>(version) {
            Ok(())
        } else {
            Err(Code::ARGUMENT_VERSION_MISMATCH)
        }
    }

    /// The same place for a structure of an earlier version.
    pub fn cast<U>(&self) -> Out<U> {
        Out(self.0.cast())
    }
}

/// Size and version of a structure in one number.
pub fn struct_version<T>(version: u32) -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX) | version << 24
}

impl Out<c_char> {
    /// Writes a text with a zero byte after it.
    ///
    /// # Errors
    ///
    /// `INSUFFICIENT_SIZE` if there is no room, `INVALID_ARGUMENT` for null.
    pub fn put_text(&self, room: u32, text: &str) -> Result<(), Code> {
        self.checked()?;
        if text.len() >= room as usize {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        self.put_all(text.bytes().chain([0]).map(u8::cast_signed_char))
    }
}

/// `char` has a sign on some machines.
trait CastSignedChar {
    fn cast_signed_char(self) -> c_char;
}

impl CastSignedChar for u8 {
    fn cast_signed_char(self) -> c_char {
        c_char::from_ne_bytes([self])
    }
}

/// A text in an array of fixed size; the rest is zero.
pub fn chars<const SIZE: usize>(text: &str) -> [c_char; SIZE] {
    let mut array = [0; SIZE];
    for (place, byte) in array.iter_mut().take(SIZE - 1).zip(text.bytes()) {
        *place = byte.cast_signed_char();
    }
    array
}

impl Out<nvmlGpmMetricsGet_t> {
    /// The array at its end: longer than this version of the header says, if the caller's is newer.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn metrics(&self) -> Result<Out<nvmlGpmMetric_t>, Code> {
        let place = self.checked()?;
        // SAFETY: received as valid; only the address of the member is made.
        Ok(Out(unsafe { &raw mut (*place).metrics }.cast()))
    }

    /// The members before the array, of which the caller may have filled only a part.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn samples(&self) -> Result<(u32, usize, usize), Code> {
        let place = self.checked()?;
        // SAFETY: received as valid; the caller fills these members.
        let (count, first, second) =
            unsafe { ((*place).numMetrics, (*place).sample1, (*place).sample2) };
        Ok((count, first.addr(), second.addr()))
    }
}

impl Out<nvmlGpmMetric_t> {
    /// The number of the metric that is asked for.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn id(&self) -> Result<u32, Code> {
        self.cast::<u32>().get()
    }

    /// Writes the answer, and leaves the texts as they are.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for null.
    pub fn answer(&self, value: Result<f64, Code>) -> Result<(), Code> {
        let place = self.checked()?;
        // SAFETY: received as valid for writes.
        unsafe {
            (*place).nvmlReturn = value.map_or_else(|code| code.0, |_| 0);
            (*place).value = value.unwrap_or(0.0);
        }
        Ok(())
    }
}
