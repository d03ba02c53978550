use std::sync::{Arc,Mutex,Condvar}; use std::thread;
mod db { use super::*; pub struct Pool { pub m: Mutex<Vec<u32>>, pub c: Condvar }
impl Pool { #[inline(never)] pub fn checkout(&self) -> u32 { let mut g = self.m.lock().unwrap(); while g.is_empty() { g = self.c.wait(g).unwrap(); } g.pop().unwrap() } } }
fn main() { let p = Arc::new(db::Pool{m:Mutex::new(vec![]),c:Condvar::new()}); let q = p.clone(); let t = thread::spawn(move || { println!("{}", q.checkout()); }); t.join().unwrap(); }
