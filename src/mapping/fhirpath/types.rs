//! The names of FHIR's types (R4 and R5), as far as a path or a choice element uses them.
//!
//! A name that is in no list is believed, as the next version of FHIR may have it, unless it looks
//! like a slip of the keyboard.

use super::super::fault::suggestion;

/// Types that begin with a small letter.
const PRIMITIVES: &str = "base64Binary boolean canonical code date dateTime decimal id instant \
    integer integer64 markdown oid positiveInt string time unsignedInt uri url uuid";

/// The other types of elements.
const COMPLEX: &str = "Address Age Annotation Attachment Availability CodeableConcept \
    CodeableReference Coding ContactDetail ContactPoint Contributor Count DataRequirement Distance \
    Dosage Duration Expression ExtendedContactDetail HumanName Identifier Meta MonetaryComponent \
    Money ParameterDefinition Period Quantity Range Ratio RatioRange Reference RelatedArtifact \
    SampledData Signature Timing TriggerDefinition UsageContext VirtualServiceDetail";

const RESOURCES: &str = "Account ActivityDefinition ActorDefinition \
    AdministrableProductDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse \
    ArtifactAssessment AuditEvent Basic Binary BiologicallyDerivedProduct \
    BiologicallyDerivedProductDispense BodyStructure Bundle CapabilityStatement CarePlan CareTeam \
    CatalogEntry ChargeItem ChargeItemDefinition Citation Claim ClaimResponse ClinicalImpression \
    ClinicalUseDefinition CodeSystem Communication CommunicationRequest CompartmentDefinition \
    Composition ConceptMap Condition ConditionDefinition Consent Contract Coverage \
    CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceAssociation \
    DeviceDefinition DeviceDispense DeviceMetric DeviceRequest DeviceUsage DeviceUseStatement \
    DiagnosticReport DocumentManifest DocumentReference DomainResource \
    EffectEvidenceSynthesis Encounter EncounterHistory Endpoint EnrollmentRequest \
    EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceReport EvidenceVariable \
    ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag FormularyItem GenomicStudy Goal \
    GraphDefinition Group GuidanceResponse HealthcareService ImagingSelection ImagingStudy \
    Immunization ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide Ingredient \
    InsurancePlan InventoryItem InventoryReport Invoice Library Linkage List Location \
    ManufacturedItemDefinition Measure MeasureReport Media Medication MedicationAdministration \
    MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement \
    MedicinalProductDefinition MessageDefinition MessageHeader MolecularSequence NamingSystem \
    NutritionIntake NutritionOrder NutritionProduct Observation ObservationDefinition \
    OperationDefinition OperationOutcome Organization OrganizationAffiliation \
    PackagedProductDefinition Parameters Patient PaymentNotice PaymentReconciliation Permission \
    Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire \
    QuestionnaireResponse RegulatedAuthorization RelatedPerson RequestGroup RequestOrchestration \
    Requirements ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject \
    Resource RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot \
    Specimen SpecimenDefinition StructureDefinition StructureMap Subscription SubscriptionStatus \
    SubscriptionTopic Substance SubstanceDefinition SubstanceNucleicAcid SubstancePolymer \
    SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial SupplyDelivery \
    SupplyRequest Task TerminologyCapabilities TestPlan TestReport TestScript Transport ValueSet \
    VerificationResult VisionPrescription";

/// The type in the name of a choice element, such as `DateTime` at the end of `deceasedDateTime`.
pub(super) fn choice(suffix: &str) -> Option<&'static str> {
    let mut types = PRIMITIVES.split_ascii_whitespace().chain(COMPLEX.split_ascii_whitespace());
    let is_capital = suffix.starts_with(|char: char| char.is_ascii_uppercase());
    types.find(|name| is_capital && is_same(name, suffix))
}

/// Whether two names mean one type: `String` and `string` do.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let split = |name: &str| name.split_at_checked(1).map(|(first, _)| first.len());
    let (Some(at), Some(_)) = (split(one), split(other)) else { return false };
    let first = |name: &str| name.get(..at).map(str::to_ascii_lowercase);
    first(one) == first(other) && one.get(at..) == other.get(at..)
}

/// Whether a resource of this type is what is asked for.
pub(super) fn is_resource(resource_type: &str, wanted: &str) -> bool {
    let is_domain = || !matches!(resource_type, "Bundle" | "Binary" | "Parameters");
    resource_type == wanted || wanted == "Resource" || wanted == "DomainResource" && is_domain()
}

/// What is wrong with the name of a resource; nothing if it is or may be one.
pub(super) fn resource_fault(name: &str) -> Option<String> {
    fault(name, RESOURCES.split_ascii_whitespace().collect())
}

/// What is wrong with the name of a type; nothing if it is or may be one.
pub(super) fn type_fault(name: &str) -> Option<String> {
    let lists = [PRIMITIVES, COMPLEX, RESOURCES];
    let known: Vec<&str> = lists.iter().flat_map(|list| list.split_ascii_whitespace()).collect();
    let is_small = name.starts_with(|char: char| char.is_ascii_lowercase());
    let is_known = known.iter().any(|known| is_same(known, name));
    fault(name, known)
        .or_else(|| (is_small && !is_known).then(|| format!("the type {name} is not known")))
}

fn fault(name: &str, known: Vec<&str>) -> Option<String> {
    if known.iter().any(|known| is_same(known, name)) {
        return None;
    }
    let advice = suggestion(name, known);
    (!advice.is_empty()).then(|| format!("the type {name} is not known{advice}"))
}
