package dev.inflight.tests.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.ServiceKey;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.util.concurrent.ExecutorService;

/**
 * cli → coordinator, gpu-worker, reference-engine → protocol, and nothing else. The parts of a cluster know each other by
 * messages only.
 */
@AnalyzeClasses(packages = "dev.inflight", importOptions = ImportOption.DoNotIncludeTests.class)
class DependencyTest {
    private static final String PROTOCOL = "dev.inflight.protocol..";
    private static final String COORDINATOR = "dev.inflight.coordinator..";
    private static final String WORKER = "dev.inflight.worker..";
    private static final String ENGINE = "dev.inflight.engine..";
    private static final String INFLIGHT = "dev.inflight..";

    @ArchTest
    static final ArchRule protocolKnowsNobody = onlyKnows(PROTOCOL, PROTOCOL);

    @ArchTest
    static final ArchRule coordinatorKnowsTheProtocol = onlyKnows(COORDINATOR, COORDINATOR, PROTOCOL);

    @ArchTest
    static final ArchRule workersKnowTheProtocol = onlyKnows(WORKER, WORKER, PROTOCOL);

    @ArchTest
    static final ArchRule theReferenceEngineKnowsTheProtocol = onlyKnows(ENGINE, ENGINE, PROTOCOL);

    @ArchTest
    static final ArchRule theReferenceEngineNeedsNoActors = noClasses()
            .that()
            .resideInAPackage(ENGINE)
            .should()
            .dependOnClassesThat()
            .resideInAPackage("akka..");

    @ArchTest
    static final ArchRule theProtocolNamesActorsAndRunsNone = noClasses()
            .that()
            .resideInAPackage(PROTOCOL)
            .should()
            .dependOnClassesThat(resideInAPackage("akka..")
                    .and(not(assignableTo(ActorRef.class)))
                    .and(not(assignableTo(ServiceKey.class))));

    @ArchTest
    static final ArchRule onlyClusterMessagesNameActors = noClasses()
            .that()
            .resideInAPackage(PROTOCOL)
            .and()
            .resideOutsideOfPackage("dev.inflight.protocol.cluster")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("akka..");

    @ArchTest
    static final ArchRule theProtocolHasNoThreads = noClasses()
            .that()
            .resideInAPackage(PROTOCOL)
            .should()
            .dependOnClassesThat()
            .areAssignableTo(Thread.class)
            .orShould()
            .dependOnClassesThat()
            .areAssignableTo(ExecutorService.class)
            .orShould()
            .dependOnClassesThat()
            .haveFullyQualifiedName("java.util.concurrent.CompletableFuture");

    @ArchTest
    static final ArchRule nobodyReadsJavaSerialization = noClasses()
            .that()
            .resideInAPackage(INFLIGHT)
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("java.io.ObjectInputStream");

    /** Checkpoints and plans speak of each other's records; messages are built from both. */
    @ArchTest
    static final ArchRule checkpointsAndPlansKnowNoMessages = noClasses()
            .that()
            .resideInAnyPackage("dev.inflight.protocol.checkpoint", "dev.inflight.protocol.plan")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("dev.inflight.protocol.cluster", "dev.inflight.protocol.link");

    @ArchTest
    static final ArchRule workerPackagesHaveNoCycles =
            slices().matching("dev.inflight.worker.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule coordinatorPackagesHaveNoCycles =
            slices().matching("dev.inflight.coordinator.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule whatCommandsUseKnowsNoCommands = noClasses()
            .that()
            .resideInAnyPackage(
                    "dev.inflight.cli.node..",
                    "dev.inflight.cli.client..",
                    "dev.inflight.cli.console..",
                    "dev.inflight.cli.load..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("dev.inflight.cli", "dev.inflight.cli.demo..", "dev.inflight.cli.bench..");

    private static ArchRule onlyKnows(String from, String... known) {
        return classes()
                .that()
                .resideInAPackage(from)
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage(known).or(not(resideInAPackage(INFLIGHT))));
    }
}
