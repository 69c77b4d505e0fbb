/** Akka's multi-node testkit for JUnit and Java: one spec, run by several JVMs that each play a role in it. */
@NullMarked
package dev.inflight.tests.multijvm;

import org.jspecify.annotations.NullMarked;
