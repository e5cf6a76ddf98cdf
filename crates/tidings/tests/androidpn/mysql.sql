-- MySQL dump 10.13  Distrib 5.5.62, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: androidpn
-- ------------------------------------------------------
-- Server version	5.5.62-0+deb8u1

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;

--
-- Table structure for table `apn_user`
--

DROP TABLE IF EXISTS `apn_user`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8 */;
CREATE TABLE `apn_user` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `created_date` datetime DEFAULT NULL,
  `email` varchar(64) DEFAULT NULL,
  `name` varchar(64) DEFAULT NULL,
  `password` varchar(64) DEFAULT NULL,
  `updated_date` datetime DEFAULT NULL,
  `username` varchar(64) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `username` (`username`)
) ENGINE=InnoDB AUTO_INCREMENT=6 DEFAULT CHARSET=utf8;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `apn_user`
--

LOCK TABLES `apn_user` WRITE;
/*!40000 ALTER TABLE `apn_user` DISABLE KEYS */;
INSERT INTO `apn_user` VALUES (1,'2012-03-04 05:06:07','admin@domain.com','Administrator','admin',NULL,'admin'),(2,'2012-03-04 05:06:07',NULL,'Zoë “📱”, (x)','O\'Brien\\n;',NULL,'c3f1a0de'),(4,'2012-03-04 05:06:07',NULL,NULL,NULL,NULL,'nopass');
INSERT INTO `apn_user` VALUES (5,'2012-03-04 05:06:07','not an address','','two words',NULL,'Case');
/*!40000 ALTER TABLE `apn_user` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `other`
--

DROP TABLE IF EXISTS `other`;
CREATE TABLE `other` (
  `id` int(11) DEFAULT NULL,
  `apn_user` varchar(20) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
LOCK TABLES `other` WRITE;
INSERT INTO `other` VALUES (1,'it\'s (not) one;');
UNLOCK TABLES;

-- Dump completed on 2012-03-05  6:07:08
