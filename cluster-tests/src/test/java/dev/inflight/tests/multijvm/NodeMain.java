package dev.inflight.tests.multijvm;

/** A JVM of a {@link MultiJvm} run. Exits with 0 if its node of the spec passed, else with 1. */
final class NodeMain {
    private NodeMain() {}

    /** @param arguments the spec's class */
    public static void main(String[] arguments) {
        int exitCode = 1;
        try {
            MultiNodeJavaSpec spec = (MultiNodeJavaSpec)
                    Class.forName(arguments[0]).getDeclaredConstructor().newInstance();
            spec.multiNodeSpecBeforeAll();
            try {
                spec.play();
                exitCode = 0;
            } catch (Throwable e) {
                // Printed before the clean-up, which may fail because of it.
                e.printStackTrace();
            } finally {
                spec.multiNodeSpecAfterAll();
            }
        } catch (Throwable e) {
            e.printStackTrace();
            exitCode = 1;
        }
        System.exit(exitCode);
    }
}
