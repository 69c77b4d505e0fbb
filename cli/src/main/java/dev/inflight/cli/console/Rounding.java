package dev.inflight.cli.console;

import java.math.BigDecimal;
import java.math.MathContext;

/** Measured numbers as reports show them: no more digits than were measured. */
public final class Rounding {
    private static final MathContext DIGITS = new MathContext(4);

    private Rounding() {}

    /** Four significant digits. */
    public static double measured(double value) {
        return Double.isFinite(value) ? BigDecimal.valueOf(value).round(DIGITS).doubleValue() : value;
    }
}
