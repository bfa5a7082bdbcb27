"""Headers as scanners, workstations and archives of several makers write them, filled with a made-up person.

Written in code from what is publicly known of the makers' conformance statements: private creators, groups and kinds of
values. Nothing is copied from a file, and no header is complete.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from datetime import date
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from tests.imaging.deidentify.samples import code, ct, item

MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT, ENHANCED_MR = CT + ".1", MR + ".1"
SEG, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.3"
DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.67"
Person = dict[str, Any]


def day(person: Person, key: str = "study") -> str:
    made: date = person[key]
    return f"{made:%Y%m%d}"


def sentence(person: Person) -> str:
    """A free text as people write it, with everything in it."""
    family = person["name"].split("=")[0].split("^")[0]
    return f"{family}, {person['number']}, {person['birth']:%d.%m.%Y}, {person['phone']}"


def private(ds: Dataset, group: int, creator: str, **elements: tuple[str, Any]) -> Dataset:
    """A private block; elements as ``x10=("LO", value)``."""
    block = ds.private_block(group, creator, create=True)
    for name, (vr, value) in elements.items():
        block.add_new(int(name[1:], 16), vr, value)
    return ds


def even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def csa(values: dict[str, str]) -> bytes:
    """A CSA header (SV10): named entries of texts."""
    made = b"SV10\4\3\2\1" + struct.pack("<II", len(values), 77)
    for name, value in values.items():
        raw = value.encode("utf-8") + b"\0"
        made += name.encode().ljust(64, b"\0") + struct.pack("<I4sIII", 1, b"LO\0\0", 19, 6, 77)
        made += struct.pack("<IIII", len(raw), len(raw), 77, len(raw)) + raw + b"\0" * (-len(raw) % 4)
    return even(made)


def common(person: Person, **elements: Any) -> FileDataset:
    """What every scanner and its information system put into an image."""
    name, text = person["name"], sentence(person)
    given = {
        "SpecificCharacterSet": person["charset"].split("\\"), "PatientName": name, "PatientID": person["number"],
        "AccessionNumber": person["accession"], "PatientBirthDate": day(person, "birth"), "StudyDate": day(person),
        "SeriesDate": day(person), "AcquisitionDate": day(person), "ContentDate": day(person),
        "AcquisitionDateTime": day(person) + "101112.5", "InstanceCreationDate": day(person),
        "PatientTelephoneNumbers": person["phone"], "PatientAddress": person["street"],
        "InstitutionName": person["institution"], "InstitutionAddress": person["street"], "OtherPatientNames": name,
        "FrameOfReferenceUID": person["uid"], "OperatorsName": person["operator"], "StationName": person["station"],
        "PerformingPhysicianName": person["operator"], "DeviceSerialNumber": person["serial"],
        "InstitutionalDepartmentName": person["institution"], "RequestingService": person["institution"],
        "RequestingPhysician": person["operator"], "ScheduledStudyLocation": person["station"],
        "PerformedStationName": person["station"], "PerformedStationAETitle": person["station"],
        "PerformedProcedureStepStartDate": day(person), "PerformedProcedureStepID": person["accession"],
        "PerformedProcedureStepDescription": text[:64], "CommentsOnThePerformedProcedureStep": text,
        "ProtocolName": f"Spine {text}"[:64], "SeriesDescription": f"CT {text}"[:64], "StudyDescription": text[:64],
        "ImageComments": text, "StudyComments": text, "PatientComments": text, "AdditionalPatientHistory": text,
        "RequestedProcedureComments": text, "CountryOfResidence": person["street"], "CurrentPatientLocation": text[:64],
        "MedicalRecordLocator": person["number"], "AdmissionID": person["accession"], "Occupation": text[:16],
        "RequestAttributesSequence": Sequence([item(
            ScheduledProcedureStepDescription=text[:64], ScheduledProcedureStepID=person["accession"],
            RequestedProcedureID=person["accession"], AccessionNumber=person["accession"],
            RequestedProcedureDescription=text[:64],
        )]),
        "OtherPatientIDsSequence": Sequence([item(PatientID=person["number"],
                                                  IssuerOfPatientID=person["institution"])]),
        "ContributingEquipmentSequence": Sequence([item(
            PurposeOfReferenceCodeSequence=code("109103", "DCM", "Modifying Equipment"), Manufacturer="X",
            InstitutionName=person["institution"], StationName=person["station"], OperatorsName=person["operator"],
            ContributionDateTime=day(person), ContributionDescription=text,
        )]),
        "OriginalAttributesSequence": Sequence([item(
            SourceOfPreviousValues=person["institution"], AttributeModificationDateTime=day(person),
            ModifyingSystem=person["station"], ReasonForTheAttributeModification="COERCE",
            ModifiedAttributesSequence=Sequence([item(PatientName=name, PatientID=person["number"])]),
        )]),
        "ReferencedPatientSequence": Sequence([item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.1.1",
                                                    ReferencedSOPInstanceUID=person["uid"])]),
        "IconImageSequence": Sequence([item(Rows=1, Columns=1, ImageComments=text)]),
        "SourceImageSequence": Sequence([item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=person["uid"],
                                              PatientName=name, ImageComments=text)]),
    }  # fmt: skip
    ds = ct(**{**given, **elements})
    ds.add(DataElement(0x60000022, "LO", text[:64]))
    ds.file_meta.SourceApplicationEntityTitle = person["station"]
    return ds


def siemens(person: Person) -> list[FileDataset]:
    """CT, and MR with CSA headers."""
    text, header = sentence(person), csa({"PatientName": person["name"], "OperatorName": person["operator"]})
    protocol = f'### ASCCONV BEGIN ###\ntPatientName = "{person["name"]}"\ntStation = "{person["station"]}"\n'
    scan = common(
        person, Manufacturer="SIEMENS", ManufacturerModelName="SOMATOM Definition AS+",
        ConvolutionKernel=["I30f", "3"], ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
        SoftwareVersions="syngo CT 2012B",
    )  # fmt: skip
    private(scan, 0x0009, "SIEMENS CT VA1 DUMMY", x10=("LO", text[:64]))
    private(scan, 0x0019, "SIEMENS CT VA0  COAD", x92=("SH", person["accession"]), x93=("LT", text))
    private(scan, 0x0021, "SIEMENS MED", x10=("LO", person["number"]), x11=("LT", text))
    private(scan, 0x0029, "SIEMENS MEDCOM HEADER", x31=("LO", person["accession"]), x34=("DA", day(person)),
            x40=("SQ", Sequence([private(item(PatientName=person["name"]), 0x0029, "SIEMENS MEDCOM HEADER",
                                         x41=("CS", "APPL"), x43=("LO", text[:64]), x44=("OB", header))])))  # fmt: skip
    private(scan, 0x0095, "SIEMENS SYNGO OBJECT", x01=("LO", text[:64]), x02=("OB", even(text.encode())))
    image = common(
        person, SOPClassUID=MR, Modality="MR", KVP=None, Manufacturer="SIEMENS", ManufacturerModelName="Avanto",
        ScanningSequence="SE", SequenceVariant="SK", ScanOptions="", MRAcquisitionType="2D", EchoTime="90",
        RepetitionTime="3000", EchoTrainLength="15", SequenceName="*tse2d1_15", RescaleSlope=None,
        RescaleIntercept=None, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], ReceiveCoilName="Spine_24",
    )  # fmt: skip
    private(image, 0x0029, "SIEMENS CSA HEADER", x08=("CS", "IMAGE NUM 4"), x09=("LO", day(person)), x10=("OB", header),
            x18=("CS", "MR"), x19=("LO", day(person)), x20=("OB", even(header + protocol.encode())))  # fmt: skip
    private(image, 0x0029, "SIEMENS MEDCOM HEADER2", x60=("LO", text[:64]))
    private(image, 0x0019, "SIEMENS MR HEADER", x0C=("IS", "800"), x0D=("CS", "DIRECTIONAL"), x0F=("SH", "Fast"))
    private(image, 0x0051, "SIEMENS MR HEADER", x08=("CS", "IMAGE NUM 4"), x0C=("LO", text[:64]), x0F=("LO", "SP1-4"),
            x16=("LO", f"p2 M/{person['number']}"))  # fmt: skip
    private(image, 0x0011, "SIEMENS RIS", x10=("LT", text), x11=("LO", person["number"]))
    return [scan, image]


def ge(person: Person) -> list[FileDataset]:
    """CT with numbered private blocks, seconds since 1970 and a private sequence."""
    text = sentence(person)
    seconds = (person["study"] - date(1970, 1, 1)).days * 86400
    scan = common(
        person, Manufacturer="GE MEDICAL SYSTEMS", ManufacturerModelName="LightSpeed VCT",
        ConvolutionKernel="STANDARD", ScanOptions="HELICAL MODE", SoftwareVersions="07MW18.4",
    )  # fmt: skip
    private(scan, 0x0009, "GEMS_IDEN_01", x01=("LO", "CT_LIGHTSPEED"), x02=("SH", person["station"]),
            x04=("SH", "LightSpeed"), x27=("SL", seconds), x31=("SH", text[:16]),
            xE3=("UI", person["uid"]), xE6=("SH", person["serial"][:16]))  # fmt: skip
    private(scan, 0x0011, "GEMS_PATI_01", x10=("SS", 1), x11=("LO", person["number"]))
    private(scan, 0x0019, "GEMS_ACQU_01", x23=("DS", "55"), x24=("DS", "12.5"), x27=("DS", "0.5"))
    private(scan, 0x0021, "GEMS_RELA_01", x05=("SH", "06"), x37=("SS", 1), x91=("LO", text[:64]))
    private(scan, 0x0023, "GEMS_STDY_01", x10=("SL", seconds), x70=("FD", float(seconds)))
    private(scan, 0x0027, "GEMS_IMAG_01", x06=("SL", 1), x31=("LO", person["operator"][:64]))
    private(scan, 0x0043, "GEMS_PARM_01", x28=("OB", even(text.encode())), x29=("OB", even(person["number"].encode())),
            x2A=("OB", even(f"/usr/g/sdc/{person['station']}/{text}.dcm".encode())))  # fmt: skip
    private(scan, 0x0045, "GEMS_HELIOS_01", x01=("SS", 64), x03=("LO", text[:64]))
    private(scan, 0x0049, "GEMS_CT_CARDIAC_001", x01=("SQ", Sequence([
        private(item(PatientName=person["name"], SeriesDescription=text[:64]), 0x0049, "GEMS_CT_CARDIAC_001",
                x02=("LO", text[:64])),
    ])))  # fmt: skip
    private(scan, 0x0905, "GEIIS", x30=("LO", text[:64]))
    private(scan, 0x7FD1, "GEIIS", x10=("UL", 0), x11=("LO", person["number"]))
    return [scan]


def philips(person: Person) -> list[FileDataset]:
    """MR with nested private sequences, and CT of the former Elscint line."""
    text = sentence(person)
    deep = private(
        item(PatientName=person["name"], StudyDate=day(person)),
        0x2005,
        "Philips MR Imaging DD 005",
        x02=("LO", text[:64]),
        x0F=("SQ", Sequence([item(PatientID=person["number"], ImageComments=text)])),
    )
    image = common(
        person, SOPClassUID=MR, Modality="MR", KVP=None, Manufacturer="Philips Medical Systems",
        ManufacturerModelName="Ingenia", ScanningSequence="SE", SequenceVariant="SK", ScanOptions="FS",
        MRAcquisitionType="2D", EchoTime="90", RepetitionTime="3000", EchoTrainLength="15", RescaleSlope=None,
        RescaleIntercept=None, ImageType=["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"],
        SoftwareVersions=["5.6.1", "5.6.1.1"],
    )  # fmt: skip
    private(image, 0x2001, "Philips Imaging DD 001", x03=("FL", 0.0), x04=("CS", "I"), x63=("CS", "ELSEWHERE"),
            xC8=("LO", f"ExamCard {text}"[:64]), x5F=("SQ", Sequence([deep])))  # fmt: skip
    private(
        image, 0x2001, "Philips Imaging DD 129", x00=("SQ", Sequence([item(PerformedProcedureStepDescription=text)]))
    )
    private(image, 0x2005, "Philips MR Imaging DD 001", x37=("PN", person["operator"]), x5F=("CS", "UNKNOWN"))
    private(image, 0x2005, "Philips MR Imaging DD 005", x02=("SQ", Sequence([deep])))
    scan = common(person, Manufacturer="Philips", ManufacturerModelName="iCT 256", ConvolutionKernel="B")
    private(scan, 0x00E1, "ELSCINT1", x21=("DS", "312"), x22=("UI", person["uid"]), x40=("SH", text[:16]))
    private(scan, 0x01F7, "ELSCINT1", x11=("OW", even(text.encode())), x12=("UN", even(text.encode())))
    private(scan, 0x07A1, "ELSCINT1", x10=("LO", person["accession"]), x1A=("LT", text))
    return [image, scan]


def canon(person: Person) -> list[FileDataset]:
    """CT, with the maker's former name as creator."""
    text = sentence(person)
    scan = common(person, Manufacturer="TOSHIBA", ManufacturerModelName="Aquilion ONE", ConvolutionKernel="FC08")
    private(scan, 0x7005, "TOSHIBA_MEC_CT3", x08=("SH", text[:16]), x0A=("LO", text[:64]), x11=("UI", person["uid"]),
            x17=("UN", even(text.encode())), x1C=("SQ", Sequence([item(PatientName=person["name"])])))  # fmt: skip
    private(scan, 0x700D, "CANON_MEC_MR3", x00=("OB", even(text.encode())), x01=("LO", person["number"]))
    return [scan]


def archives(person: Person) -> list[FileDataset]:
    """What archives, viewers and routers add to an image of any maker."""
    text, number = sentence(person), person["number"]
    scan = common(person)
    private(scan, 0x0009, "SECTRA_Ident_01", x01=("LO", person["accession"]), x02=("LO", number))
    private(scan, 0x0009, "MERGE TECHNOLOGIES, INC.", x01=("OB", even(text.encode())))
    private(scan, 0x0009, "EMAGEON STUDY HOME", x00=("LO", text[:64]))
    private(scan, 0x0013, "CTP", x10=("LO", person["institution"]), x13=("LO", number))
    private(scan, 0x0019, "AGFA", x18=("LO", text[:64]))
    private(scan, 0x0029, "SECTRA_ImageInfo_01", x01=("OB", even(text.encode())))
    private(scan, 0x0031, "AGFA PACS Archive Mirroring 1.0", x00=("CS", "MIRROR"), x01=("UL", 20190704))
    private(scan, 0x0031, "MITRA LINKED ATTRIBUTES 1.0", x20=("LO", number))
    private(scan, 0x0033, "MITRA OBJECT UTF8 ATTRIBUTES 1.0", x02=("PN", person["name"]), x04=("CS", "X"),
            x13=("PN", person["operator"]), x15=("DA", day(person)))  # fmt: skip
    private(scan, 0x0055, "VEPRO VIM 5.0 DATA", x20=("OB", even(text.encode())))
    private(scan, 0x0119, "MERGE HEALTHCARE", x01=("LO", text[:64]))
    private(scan, 0x3711, person["number"], x01=("LO", text[:64]))
    private(scan, 0x3F01, "INTELERAD MEDICAL SYSTEMS", x01=("LO", person["institution"]), x0A=("SH", number[:16]))
    private(scan, 0x6001, "SECTRA_OverlayInfo_01", x01=("LO", text[:64]))
    scan.add(DataElement(0xFFFCFFFC, "OB", even(text.encode())))
    return [scan]


def _frames(person: Person, kind: str, frame: Dataset) -> dict[str, Any]:
    text = sentence(person)
    shared = item(
        PixelMeasuresSequence=Sequence([item(PixelSpacing=["0.5", "0.5"], SliceThickness="1.25")]),
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])]),
        ReferencedImageSequence=Sequence([item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=person["uid"],
                                               PurposeOfReferenceCodeSequence=code("121311", "DCM", text[:64]))]),
    )  # fmt: skip
    single = [
        item(
            FrameContentSequence=Sequence([item(
                FrameAcquisitionDateTime=day(person) + "101112", FrameReferenceDateTime=day(person) + "101113",
                FrameAcquisitionDuration=100.0, StackID="1", InStackPositionNumber=number, FrameComments=text,
                FrameLabel=text[:64], DimensionIndexValues=[1, number],
            )]),
            PlanePositionSequence=Sequence([item(ImagePositionPatient=["0", "0", str(number)])]),
            FrameAnatomySequence=Sequence([item(FrameLaterality="U",
                                                AnatomicRegionSequence=code("421060004", "SCT", text[:64]))]),
            **{kind: Sequence([frame])},
        )
        for number in (1, 2)
    ]  # fmt: skip
    for made in single:
        private(made, 0x2005, "Philips MR Imaging DD 005", x0F=("SQ", Sequence([item(PatientName=person["name"])])))
        private(made, 0x0021, "SIEMENS MR SDI 02", x01=("SQ", Sequence([item(ImageComments=text)])))
    dimension = generate_uid()
    return {
        "NumberOfFrames": 2, "PixelData": bytes(range(80)), "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(single), "ImagePositionPatient": None, "PixelSpacing": None,
        "ImageOrientationPatient": None, "SliceThickness": None, "RescaleSlope": None, "RescaleIntercept": None,
        "AcquisitionDateTime": day(person) + "101112", "PresentationLUTShape": "IDENTITY",
        "DimensionOrganizationSequence": Sequence([item(DimensionOrganizationUID=dimension)]),
        "DimensionIndexSequence": Sequence([item(DimensionOrganizationUID=dimension, DimensionIndexPointer=0x00209057,
                                                 FunctionalGroupPointer=0x00209111,
                                                 DimensionDescriptionLabel=text[:64])]),
        "AcquisitionContextSequence": Sequence([]), "ContentQualification": "PRODUCT", "BurnedInAnnotation": "NO",
    }  # fmt: skip


def enhanced(person: Person) -> list[FileDataset]:
    """Multi-frame CT and MR with functional groups and private ones among them."""
    types = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shown = {"PixelPresentation": "MONOCHROME", "VolumetricProperties": "VOLUME",
             "VolumeBasedCalculationTechnique": "NONE"}  # fmt: skip
    frames = _frames(person, "CTImageFrameTypeSequence", item(FrameType=types, **shown))
    protocol = sentence(person)[:64]
    scan = common(
        person, SOPClassUID=ENHANCED_CT, ImageType=types, KVP=None, AcquisitionProtocolName=protocol, **shown, **frames
    )
    shown |= {"ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T2"}
    frames = _frames(person, "MRImageFrameTypeSequence", item(FrameType=types, **shown))
    image = common(
        person, SOPClassUID=ENHANCED_MR, Modality="MR", ImageType=types, KVP=None, MagneticFieldStrength="3",
        PulseSequenceName="TSE", **shown, **frames,
    )  # fmt: skip
    return [scan, image]


def stations(person: Person) -> list[FileDataset]:
    """Segmentation, contours and a dose report of workstations."""
    text, family = sentence(person), person["name"].split("=")[0].split("^")[0]
    no_image = {"PixelData": None, "Rows": None, "Columns": None, "BitsAllocated": None, "BitsStored": None,
                "HighBit": None, "SamplesPerPixel": None, "PixelRepresentation": None,
                "PhotometricInterpretation": None, "ImageType": None, "KVP": None, "RescaleSlope": None,
                "RescaleIntercept": None, "PixelSpacing": None, "ImagePositionPatient": None,
                "ImageOrientationPatient": None, "SliceThickness": None}  # fmt: skip
    seg = common(
        person, SOPClassUID=SEG, Modality="SEG", ContentLabel="SPINE", ContentDescription=text[:64],
        ContentCreatorName=person["operator"], SegmentationType="BINARY", BitsAllocated=1, BitsStored=1, HighBit=0,
        PixelRepresentation=0, NumberOfFrames=1, PixelData=b"\1\2\3\0", KVP=None, RescaleSlope=None,
        RescaleIntercept=None, SegmentSequence=Sequence([item(
            SegmentNumber=1, SegmentLabel=f"L1 {family}", SegmentDescription=text[:64], TrackingID=text,
            TrackingUID=person["uid"], SegmentAlgorithmType="MANUAL",
            SegmentedPropertyTypeCodeSequence=code("91723000", "SCT", text[:64]),
        )]),
    )  # fmt: skip
    contours = common(
        person, SOPClassUID=RTSTRUCT, Modality="RTSTRUCT", StructureSetLabel=family[:16], StructureSetName=text[:64],
        StructureSetDescription=text, StructureSetDate=day(person), ApprovalStatus="APPROVED", ReviewDate=day(person),
        ReviewerName=person["operator"], **no_image,
        StructureSetROISequence=Sequence([item(ROINumber=1, ReferencedFrameOfReferenceUID=person["uid"],
                                               ROIName=f"GTV {family}", ROIDescription=text)]),
        ROIContourSequence=Sequence([item(ReferencedROINumber=1, ContourSequence=Sequence([item(
            ContourGeometricType="POINT", NumberOfContourPoints=1, ContourData=["1.5", "-190.704", "3"])]))]),
        RTROIObservationsSequence=Sequence([item(
            ObservationNumber=1, ReferencedROINumber=1, ROIObservationLabel=family[:16], RTROIInterpretedType="GTV",
            ROIInterpreter=person["operator"],
        )]),
    )  # fmt: skip
    private(contours, 0x3253, "Varian Medical Systems VISION 3253", x00=("OB", even(f"<Id>{text}</Id>".encode())))
    private(contours, 0x4001, "RAYSEARCHLABS 2.0", x01=("LO", text[:64]), x02=("DT", day(person) + "101112"))
    name = code("121012", "DCM", "Device Observer UID")
    dose = common(
        person, SOPClassUID=DOSE_SR, Modality="SR", **no_image, ValueType="CONTAINER", ConceptNameCodeSequence=name,
        CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED", ContentSequence=Sequence([
            item(RelationshipType="HAS OBS CONTEXT", ValueType="UIDREF", ConceptNameCodeSequence=name,
                 UID=person["uid"]),
            item(RelationshipType="HAS OBS CONTEXT", ValueType="PNAME", ConceptNameCodeSequence=name,
                 PersonName=person["operator"]),
            item(RelationshipType="CONTAINS", ValueType="DATETIME", ConceptNameCodeSequence=name,
                 DateTime=day(person) + "101112"),
            item(RelationshipType="CONTAINS", ValueType="CODE",
                 ConceptNameCodeSequence=code("X1", "99LOCAL", text[:64]),
                 ConceptCodeSequence=code(person["accession"], "99LOCAL", text[:64])),
            item(RelationshipType="CONTAINS", ValueType="NUM", ConceptNameCodeSequence=name,
                 MeasuredValueSequence=Sequence([item(NumericValue="312")])),
        ]),
    )  # fmt: skip
    return [seg, contours, dose]


MAKERS: dict[str, Callable[[Person], list[FileDataset]]] = {
    "siemens": siemens, "ge": ge, "philips": philips, "canon": canon, "archives": archives, "enhanced": enhanced,
    "stations": stations,
}  # fmt: skip


def of(maker: str, person: Person) -> list[FileDataset]:
    """Objects of a maker; many values break their VR, as in real files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return MAKERS[maker](person)
