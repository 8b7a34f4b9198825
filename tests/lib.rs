//! Tests that look at the whole house from outside; there is nothing to call here.
