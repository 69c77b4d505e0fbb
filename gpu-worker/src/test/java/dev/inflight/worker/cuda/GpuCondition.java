package dev.inflight.worker.cuda;

import static org.junit.platform.commons.support.AnnotationSupport.findAnnotation;

import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A driver that is there and does not work is a failure, not a reason to skip. */
final class GpuCondition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        int needed = findAnnotation(context.getElement(), NeedsGpus.class)
                .map(NeedsGpus::value)
                .orElse(0);
        int present = CudaDriver.load().map(driver -> driver.gpus().size()).orElse(0);
        return present >= needed
                ? ConditionEvaluationResult.enabled(present + " GPUs")
                : ConditionEvaluationResult.disabled("needs " + needed + " GPUs, this machine shows " + present);
    }
}
